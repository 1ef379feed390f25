#include "octile/norm.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "python/src/arrays.h"
#include "python/src/errors.h"
#include "python/src/linear.h"
#include "python/src/norm.h"
#include "python/src/rows.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace octile::python {
namespace {

struct PythonNorm {
    Norm value;
    float epsilon;
};

NormKind kind_of(const std::string& name) {
    if (name == "layernorm") return NormKind::kLayerNorm;
    if (name == "rmsnorm") return NormKind::kRmsNorm;
    refuse(fmt::format("kind: expected layernorm or rmsnorm, found {}", internal::quote(name)));
}

// [..., K], of K features.
Array read_rows(nb::handle object, std::int64_t k) {
    Array x = Array::read(object, "x", kFloats);
    if (x.shape().empty() || x.shape().back() != k)
        refuse(fmt::format("x: expected the shape [..., {}], found {}", k, x.shape_text()));
    return x;
}

nb::object normalize(const PythonNorm& self, nb::handle input, nb::handle dtype, const PythonLinear* consumer) {
    Array x = read_rows(input, self.value.k());
    const std::span leading = std::span(x.shape()).first(x.shape().size() - 1);
    const Output y = make_output(Like(x), leading, self.value.k(), dtype.is_none() ? x.element() : element_of(dtype));
    const MatrixView from = x.matrix();
    auto rows = consumer ? std::make_unique<PythonRows>() : nullptr;
    if (rows) rows->describe(x);
    Status status;
    {
        const nb::gil_scoped_release released;
        if (rows) {
            status = self.value.run(from, y.view, consumer->value(), rows->value, workspace());
        } else if (from.rows > 0) {
            status = self.value.run(from, y.view, workspace());
        }
    }
    check(std::move(status));
    return rows ? nb::object(nb::make_tuple(y.object, nb::cast(rows.release(), nb::rv_policy::take_ownership)))
                : y.object;
}

}  // namespace

void add_norm(nb::module_& module) {
    nb::class_<PythonNorm>(module, "Norm",
                           "Layer norm or RMS norm over the last dimension, in float32 and never quantized.")
        .def(nb::new_([](nb::object weight, nb::object bias, const std::string& kind, float eps, nb::object isa) {
                 const std::vector<float> scale = float_vector(weight, "weight"),
                                          shift = bias.is_none() ? std::vector<float>() : float_vector(bias, "bias");
                 return PythonNorm{take(Norm::make(kind_of(kind), scale, shift, eps, isas_up_to(isa))), eps};
             }),
             "weight"_a.none(), "bias"_a = nb::none(), nb::kw_only(), "kind"_a = "layernorm", "eps"_a = 1e-5F,
             "isa"_a = nb::none(), "weight [K], bias [K]; kind: layernorm or rmsnorm, which has no bias.")
        .def("__call__", normalize, "x"_a.none(), nb::kw_only(), "dtype"_a = nb::none(), "consumer"_a = nb::none(),
             "x [..., K] to y of the same shape, and of x's type or dtype.\n\nWith consumer, a Linear: y and the Rows "
             "that "
             "it, and every Linear that accepts them, may be called with.")
        .def_prop_ro("k", [](const PythonNorm& self) { return self.value.k(); })
        .def_ro("eps", &PythonNorm::epsilon)
        .def("__repr__", [](const PythonNorm& self) {
            return fmt::format("octile.Norm({}, {}, eps={})", self.value.k(),
                               self.value.kind() == NormKind::kLayerNorm ? "layernorm" : "rmsnorm", self.epsilon);
        });
}

}  // namespace octile::python
