// octile.Model and octile.Session.
#pragma once

#include <nanobind/nanobind.h>

namespace octile::python {

void add_model(nanobind::module_& module);

}  // namespace octile::python
