#include "python/src/linear.h"

#include <fmt/format.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <optional>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "octile/cpu.h"
#include "python/src/arrays.h"
#include "python/src/errors.h"
#include "python/src/linear_run.h"
#include "python/src/linear_state.h"
#include "python/src/rows.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace octile::python {
namespace {

constexpr Element kLevels[] = {Element::kI8};
constexpr Element kBytes[] = {Element::kU8};

Precision precision_of(const std::string& name) {
    if (const std::optional<Precision> precision = parse_precision(name)) return *precision;
    refuse(fmt::format("precision: expected int8, fp16 or int4, found {}", internal::quote(name)));
}

Activation activation_of(const std::optional<std::string>& name) {
    if (!name) return Activation::kNone;
    if (const std::optional<Activation> activation = parse_activation(*name)) return *activation;
    refuse(
        fmt::format("activation: expected none, relu, relu6, hardswish, gelu, gelu_tanh, quick_gelu or silu, found {}",
                    internal::quote(*name)));
}

// What beside the weights makes a linear; the defaults are LinearOptions'.
struct How {
    std::string precision;
    std::optional<std::string> activation;
    std::optional<std::pair<float, float>> range;
    std::string input_scaling;
    std::optional<float> input_scale;
    nb::object input_multiplier;
    nb::object isa;
};

struct Options {
    LinearOptions options;
    std::vector<float> input_multiplier;  // what options refer to
    IsaSet isas;
};

InputScaling scaling_of(const std::string& name) {
    if (name == "dynamic") return InputScaling::kDynamic;
    if (name == "static") return InputScaling::kStatic;
    if (name == "asymmetric") return InputScaling::kAsymmetric;
    refuse(fmt::format("input_scaling: expected dynamic, static or asymmetric, found {}", internal::quote(name)));
}

Options options_of(const How& how) {
    Options made;
    made.options.precision = precision_of(how.precision);
    made.options.activation = activation_of(how.activation);
    if (how.range) made.options.range = OutputRange{how.range->first, how.range->second};
    made.options.input_scaling = scaling_of(how.input_scaling);
    const bool fixed = made.options.input_scaling == InputScaling::kStatic;
    if (fixed != how.input_scale.has_value())
        refuse(fmt::format("input_scale: expected {} with input_scaling {}, found {}", fixed ? "a number" : "none",
                           how.input_scaling, how.input_scale ? fmt::format("{}", *how.input_scale) : "none"));
    made.options.input_scale = how.input_scale.value_or(0);
    if (!how.input_multiplier.is_none()) made.input_multiplier = float_vector(how.input_multiplier, "input_multiplier");
    made.isas = isas_up_to(how.isa);
    return made;
}

Array weights_of(nb::handle object, std::string_view name, std::span<const Element> elements) {
    Array array = Array::read(without_gradient(object), name, elements);
    if (array.shape().size() != 2)
        refuse(fmt::format("{}: expected the shape [N, K], found {}", name, array.shape_text()));
    return array;
}

std::vector<float> bias_of(nb::handle object, std::string_view name, std::int64_t n) {
    if (object.is_none()) return {};
    std::vector<float> bias = float_vector(object, name);
    // Of no elements it would be none.
    if (static_cast<std::int64_t>(bias.size()) != n)
        refuse(fmt::format("{}: expected the shape [{}], found [{}]", name, n, bias.size()));
    return bias;
}

PythonLinear made(Result<Linear> linear) {
    return PythonLinear(std::make_shared<const Linear>(take(std::move(linear))));
}

PythonLinear pack(const How& how, nb::object weight, nb::object bias) {
    Options options = options_of(how);
    options.options.input_multiplier = options.input_multiplier;
    Array array = weights_of(weight, "weight", kFloats);
    const MatrixView view = array.matrix();
    const std::vector<float> values = bias_of(bias, "bias", view.rows);
    const nb::gil_scoped_release released;
    return made(Linear::pack(view, values, options.options, options.isas));
}

PythonLinear pack_quantized(const How& how, nb::object levels, nb::object scale, nb::object bias) {
    Options options = options_of(how);
    options.options.input_multiplier = options.input_multiplier;
    Array array = weights_of(levels, "levels", kLevels);
    const MatrixView view = array.matrix();
    const std::vector<float> scales = float_vector(scale, "scale"), values = bias_of(bias, "bias", view.rows);
    const nb::gil_scoped_release released;
    return made(Linear::pack_quantized(view, scales, values, options.options, options.isas));
}

template <typename T>
std::span<const T> bytes_of(Array& array) {
    return {static_cast<const T*>(array.dense()), static_cast<std::size_t>(array.size())};
}

PythonLinear pack_int4(const How& how, nb::object q4, nb::object s4, nb::object c8, nb::object scale, nb::object bias) {
    Options options = options_of(how);
    options.options.input_multiplier = options.input_multiplier;
    Array levels = weights_of(q4, "q4", kBytes), steps = weights_of(s4, "s4", kBytes),
          offsets = weights_of(c8, "c8", kLevels);
    const std::int64_t n = levels.shape()[0];
    const std::vector<float> scales = float_vector(scale, "scale"), values = bias_of(bias, "bias", n);
    const Int4View view{n,
                        levels.shape()[1],
                        bytes_of<std::uint8_t>(levels),
                        bytes_of<std::uint8_t>(steps),
                        bytes_of<std::int8_t>(offsets),
                        scales};
    const nb::gil_scoped_release released;
    return made(Linear::pack_int4(view, values, options.options, options.isas));
}

PythonLinear pack_gated(const How& how, nb::object gate, nb::object up, nb::object gate_bias, nb::object up_bias) {
    Options options = options_of(how);
    options.options.input_multiplier = options.input_multiplier;
    Array gates = weights_of(gate, "gate", kFloats), ups = weights_of(up, "up", kFloats);
    const MatrixView a = gates.matrix(), b = ups.matrix();
    const std::vector<float> a_bias = bias_of(gate_bias, "gate_bias", a.rows),
                             b_bias = bias_of(up_bias, "up_bias", b.rows);
    const nb::gil_scoped_release released;
    return made(Linear::pack_gated(a, a_bias, b, b_bias, options.options, options.isas));
}

std::string repr(const PythonLinear& self) {
    return fmt::format("octile.Linear({})", signature_of(self.value()));
}

// What pickle calls: arrays that make the same linear on any CPU.
nb::tuple reduce(const PythonLinear& self) {
    return nb::make_tuple(nb::module_::import_("octile._linear").attr("from_state"),
                          nb::make_tuple(state_of(self.value())));
}

// Binds one way to make a linear: Linear(...) itself, or the static method `name`. The options behind its arrays, which
// `names` name, are the same for all.
template <typename... Arrays, typename... Names>
void bind_maker(nb::class_<PythonLinear>& type, const char* name, PythonLinear (*make)(const How&, Arrays...),
                const char* text, const Names&... names) {
    const auto maker = [make](Arrays... arrays, std::string precision, std::optional<std::string> activation,
                              std::optional<std::pair<float, float>> range, std::string input_scaling,
                              std::optional<float> input_scale, nb::object input_multiplier, nb::object isa) {
        return make({precision, activation, range, input_scaling, input_scale, input_multiplier, isa}, arrays...);
    };
    const auto bind = [&](const auto&... extra) {
        if (name) {
            type.def_static(name, maker, extra...);
        } else {
            type.def(nb::new_(maker), extra...);
        }
    };
    bind(names..., nb::kw_only(), "precision"_a = "int8", "activation"_a = nb::none(), "range"_a = nb::none(),
         "input_scaling"_a = "dynamic", "input_scale"_a = nb::none(), "input_multiplier"_a = nb::none(),
         "isa"_a = nb::none(), text);
}

}  // namespace

Workspace& workspace() {
    thread_local Workspace workspace;
    return workspace;
}

IsaSet isas_up_to(nb::handle level) {
    const IsaSet usable = take(usable_isas());
    return level.is_none() ? usable : take(limit_isas(usable, nb::cast<std::string>(level)));
}

std::string signature_of(const Linear& linear) {
    std::string text = fmt::format("{}→{}", linear.k(), linear.n());
    if (linear.activation() != Activation::kNone) text += fmt::format(", act={}", name_of(linear.activation()));
    if (linear.gated()) text += ", gated";
    return fmt::format("{}, {}", text, name_of(linear.precision()));
}

void add_linear(nb::module_& module) {
    nb::class_<PythonLinear> type(
        module, "Linear",
        "One linear layer, y = act(x w^T + bias), packed for this CPU.\n\nAny number of threads "
        "may call it at once. It never changes, so that copies are the same object.");
    bind_maker(
        type, nullptr, pack,
        "From weights [N, K] of float32, float16 or bfloat16, which are copied.\n\nprecision: int8, fp16 or int4. "
        "activation: relu, relu6, hardswish, gelu, gelu_tanh, quick_gelu or silu; or range, (low, high). "
        "input_scaling: dynamic, static (with input_scale) or asymmetric. input_multiplier [K]: SmoothQuant's "
        "1/s. isa: the highest instruction-set level to use.",
        "weight"_a.none(), "bias"_a = nb::none());
    bind_maker(type, "from_levels", pack_quantized,
               "From INT8 levels [N, K] and what a level of each output channel is worth, scale [N].",
               "levels"_a.none(), "scale"_a.none(), "bias"_a = nb::none());
    bind_maker(type, "gated", pack_gated, "A gated layer, act(x gate^T + gate_bias) * (x up^T + up_bias), as SwiGLU's.",
               "gate"_a.none(), "up"_a.none(), "gate_bias"_a = nb::none(), "up_bias"_a = nb::none());
    bind_maker(type, "_from_int4", pack_int4, "From the arrays of state() of an INT4 linear.", "q4"_a.none(),
               "s4"_a.none(), "c8"_a.none(), "scale"_a.none(), "bias"_a = nb::none());
    type.def("pack_rows", pack_rows, "x"_a.none(), nb::rv_policy::take_ownership,
             "Rows of x, quantized or packed once for every linear that accepts them.");
    type.def(
        "accepts", [](const PythonLinear& self, const PythonRows& rows) { return self.value().accepts(rows.value); },
        "rows"_a);
    type.def(
        "__call__", run, "x"_a.none(), nb::kw_only(), "out"_a = nb::none(), "dtype"_a = nb::none(),
        "residual"_a = nb::none(), "output_scale"_a = nb::none(),
        "x [..., K] to y [..., N]: a tensor of torch to one, everything else to an array of numpy.\n\ny has x's type, "
        "or dtype; it is written to out, if that is given. residual [..., N] is added. dtype int8 needs "
        "output_scale: what one level is worth.");
    type.def(
        "kernel", [](const PythonLinear& self, std::int64_t m) { return std::string(self.value().kernel_name(m)); },
        "m"_a, "Name of the kernel that multiplies m rows.");
    type.def_prop_ro(
        "k", [](const PythonLinear& self) { return self.value().k(); }, "Input features.");
    type.def_prop_ro(
        "n", [](const PythonLinear& self) { return self.value().n(); }, "Output features.");
    type.def_prop_ro(
        "shape", [](const PythonLinear& self) { return std::pair(self.value().n(), self.value().k()); },
        "(n, k), as of the weights.");
    type.def_prop_ro("precision", [](const PythonLinear& self) { return name_of(self.value().precision()); });
    type.def_prop_ro("activation", [](const PythonLinear& self) { return name_of(self.value().activation()); });
    type.def_prop_ro("is_gated", [](const PythonLinear& self) { return self.value().gated(); });
    type.def_prop_ro(
        "nbytes", [](const PythonLinear& self) { return self.value().bytes(); },
        "Memory of packed weights, scales and bias.");
    type.def("__repr__", repr);
    type.def("__copy__", [](nb::object self) { return self; });
    type.def(
        "__deepcopy__", [](nb::object self, nb::handle) { return self; }, "memo"_a);
    type.def(
        "state", [](const PythonLinear& self) { return state_of(self.value()); },
        nb::sig("def state(self) -> dict[str, typing.Any]"),
        "Arrays and keywords that make it again on any CPU, with the same results: what a pickle holds.");
    type.def("__reduce__", reduce);
}

}  // namespace octile::python
