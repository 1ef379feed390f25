#include "python/src/rows.h"

#include <fmt/format.h>

namespace nb = nanobind;

namespace octile::python {

void PythonRows::describe(const Array& x) {
    like = Like(x);
    leading.assign(x.shape().begin(), x.shape().end() - 1);
}

void add_rows(nb::module_& module) {
    nb::class_<PythonRows>(
        module, "Rows",
        "Rows that Linear.pack_rows() or a Norm has quantized or packed, for every linear that accepts "
        "them.")
        .def_prop_ro("rows", [](const PythonRows& self) { return self.value.rows(); })
        .def_prop_ro("k", [](const PythonRows& self) { return self.value.columns(); })
        .def_prop_ro("nbytes", [](const PythonRows& self) { return self.value.bytes(); })
        .def("__repr__", [](const PythonRows& self) {
            return fmt::format("<octile.Rows [{}, {}]>", self.value.rows(), self.value.columns());
        });
}

}  // namespace octile::python
