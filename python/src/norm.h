// octile.Norm.
#pragma once

#include <nanobind/nanobind.h>

namespace octile::python {

void add_norm(nanobind::module_& module);

}  // namespace octile::python
