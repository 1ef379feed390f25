#include "python/src/model.h"

#include <fmt/format.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "octile/packed_model.h"
#include "python/src/errors.h"
#include "python/src/linear.h"
#include "python/src/plan.h"
#include "python/src/session.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace octile::python {
namespace {

// A file, and the session that its own run() makes when it is first asked for.
struct PythonModel {
    std::string path;
    PackedModel value;
    std::vector<std::string> notes;
    SessionOptions options;
    std::shared_ptr<PythonSession> session = {};

    PythonSession& own_session() {
        if (!session) session = std::make_shared<PythonSession>(value, options);
        return *session;
    }
};

const auto open = [](nb::object file, std::int64_t max_rows, std::int64_t max_sequences, std::int64_t max_context,
                     nb::object isa) {
    const IsaSet isas = isas_up_to(isa);
    // Paths need not be UTF-8.
    const nb::bytes encoded(nb::module_::import_("os").attr("fsencode")(file));
    const std::string path(encoded.c_str(), encoded.size());
    const nb::gil_scoped_release released;
    std::vector<std::string> notes;
    PackedModel model = take(PackedModel::open(path, isas, &notes));
    SessionOptions options;
    options.max_rows = max_rows;
    options.max_sequences = max_sequences;
    options.max_context = max_context;
    options.isas = isas;
    return PythonModel{path, std::move(model), std::move(notes), options};
};

std::shared_ptr<PythonSession> another_session(const PythonModel& model, std::optional<std::int64_t> max_rows,
                                               std::optional<std::int64_t> max_sequences,
                                               std::optional<std::int64_t> max_context) {
    SessionOptions options = model.options;
    options.max_rows = max_rows.value_or(options.max_rows);
    options.max_sequences = max_sequences.value_or(options.max_sequences);
    options.max_context = max_context.value_or(options.max_context);
    const nb::gil_scoped_release released;
    return std::make_shared<PythonSession>(model.value, options);
}

std::vector<std::string> linear_names(const PythonModel& model) {
    std::vector<std::string> names;
    for (const auto& [name, linear] : model.value.parameters()->linears())
        names.push_back(name);
    return names;
}

PythonLinear linear(const PythonModel& model, const std::string& name) {
    const std::shared_ptr<const Parameters> parameters = model.value.parameters();
    const Linear* const found = parameters->linear(name);
    if (!found) throw nb::key_error(fmt::format("no linear is called {}", internal::quote(name)).c_str());
    return PythonLinear({parameters, found});
}

// safetensors' names of types, and numpy's.
constexpr std::array<std::pair<std::string_view, const char*>, 13> kTensorTypes = {{{"F64", "float64"},
                                                                                    {"F32", "float32"},
                                                                                    {"F16", "float16"},
                                                                                    {"BF16", "uint16"},
                                                                                    {"I64", "int64"},
                                                                                    {"I32", "int32"},
                                                                                    {"I16", "int16"},
                                                                                    {"I8", "int8"},
                                                                                    {"U64", "uint64"},
                                                                                    {"U32", "uint32"},
                                                                                    {"U16", "uint16"},
                                                                                    {"U8", "uint8"},
                                                                                    {"BOOL", "bool"}}};

// A view of the file, which stays mapped for as long as it is there.
nb::object tensor(const PythonModel& model, const std::string& name) {
    const std::vector<PackedTensor>& tensors = model.value.tensors();
    const auto found =
        std::find_if(tensors.begin(), tensors.end(), [&](const PackedTensor& one) { return one.name == name; });
    if (found == tensors.end())
        throw nb::key_error(fmt::format("no tensor is called {}", internal::quote(name)).c_str());
    const auto type = std::find_if(kTensorTypes.begin(), kTensorTypes.end(),
                                   [&](const auto& entry) { return entry.first == found->dtype; });
    if (type == kTensorTypes.end())
        refuse_type(fmt::format("{}: numpy has no type for {}", internal::quote(name), internal::quote(found->dtype)));
    auto owner = std::make_unique<std::shared_ptr<const Parameters>>(model.value.parameters());
    const nb::capsule capsule(
        owner.get(), [](void* data) noexcept { delete static_cast<std::shared_ptr<const Parameters>*>(data); });
    (void)owner.release();
    const std::size_t bytes = found->data.size();
    const nb::ndarray<nb::numpy, const std::uint8_t> raw(found->data.data(), {bytes}, capsule);
    nb::object array = nb::cast(raw).attr("view")(type->second).attr("reshape")(nb::cast(found->shape));
    return found->dtype == "BF16" ? nb::object(array.attr("view")(nb::module_::import_("ml_dtypes").attr("bfloat16")))
                                  : array;
}

nb::object graph(const PythonModel& model) {
    if (model.value.graph().empty()) return nb::none();
    return nb::module_::import_("json").attr("loads")(model.value.graph());
}

}  // namespace

void add_model(nb::module_& module) {
    add_session(module);
    const SessionOptions defaults;
    nb::class_<PythonModel>(
        module, "Model", "A file of octile quantize, mapped: its linears and tensors, and the network that it holds.")
        .def(nb::new_(open), "path"_a, nb::kw_only(), "max_rows"_a = defaults.max_rows,
             "max_sequences"_a = defaults.max_sequences, "max_context"_a = defaults.max_context, "isa"_a = nb::none(),
             "max_rows: tokens of one call, of all sequences together; max_sequences of one call; max_context: tokens "
             "of a "
             "sequence in a causal network. isa: the highest instruction-set level to use.")
        .def(
            "run",
            [](PythonModel& model, nb::handle inputs, const std::optional<std::vector<std::int32_t>>& lengths) {
                return model.own_session().run(inputs, lengths);
            },
            "inputs"_a.none(), "lengths"_a = nb::none(), "Session.run() of the model's own session.")
        .def(
            "reset",
            [](PythonModel& model, std::optional<std::int64_t> sequence) { model.own_session().reset(sequence); },
            "sequence"_a = nb::none(), "Session.reset() of the model's own session.")
        .def("session", another_session, nb::kw_only(), "max_rows"_a = nb::none(), "max_sequences"_a = nb::none(),
             "max_context"_a = nb::none(), "Another session on the same weights; sizes are the model's unless given.")
        .def_prop_ro("inputs", [](PythonModel& model) { return model.own_session().session().graph().inputs; })
        .def_prop_ro("outputs", [](PythonModel& model) { return outputs_of(model.own_session()); })
        .def("linear", linear, "name"_a, "The packed linear of a layer of the plan. KeyError.")
        .def_prop_ro("linears", linear_names, "Names of the linears.")
        .def("tensor", tensor, "name"_a,
             "A tensor that is no linear's, read-only, where it lies in the file. KeyError.")
        .def_prop_ro("tensors",
                     [](const PythonModel& model) {
                         std::vector<std::string> names;
                         for (const PackedTensor& one : model.value.tensors())
                             names.push_back(one.name);
                         return names;
                     })
        .def_prop_ro("plan", [](const PythonModel& model) { return PythonPlan{model.value.plan()}; })
        .def_prop_ro("graph", graph, nb::sig("def graph(self) -> dict[str, typing.Any] | None"),
                     "The network's graph; None where the file holds layers without one.")
        .def_ro("notes", &PythonModel::notes, "What opening it had to say.")
        .def_prop_ro("file_bytes", [](const PythonModel& model) { return model.value.figures().file_bytes; })
        .def_prop_ro(
            "used_bytes", [](const PythonModel& model) { return model.value.figures().used_bytes; },
            "Bytes of the file that this CPU uses.")
        .def("__repr__", [](const PythonModel& model) {
            return fmt::format("<octile.Model {}: {}>", internal::printable(model.path),
                               to_text(summarize(model.value.plan())));
        });
}

}  // namespace octile::python
