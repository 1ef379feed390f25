// What octile.Linear does to rows.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>

#include "python/src/linear.h"
#include "python/src/rows.h"

namespace octile::python {

// `input`: an array [..., K], or Rows.
nanobind::object run(const PythonLinear& self, nanobind::handle input, nanobind::handle out, nanobind::handle dtype,
                     nanobind::handle residual, std::optional<float> output_scale);

// Never null; Python's to delete.
PythonRows* pack_rows(const PythonLinear& self, nanobind::handle input);

}  // namespace octile::python
