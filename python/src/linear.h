// octile.Linear.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>

#include "octile/linear.h"

namespace octile::python {

// Its own, or one of a model's, whose file it keeps mapped. Never changes, so that any number of threads may use it.
class PythonLinear {
  public:
    explicit PythonLinear(std::shared_ptr<const Linear> linear) : linear_(std::move(linear)) {}

    const Linear& value() const { return *linear_; }

  private:
    std::shared_ptr<const Linear> linear_;
};

// What Python's repr() and torch's modules print: "768→3072, act=gelu, int8".
std::string signature_of(const Linear& linear);

void add_linear(nanobind::module_& module);

// Scratch memory of the calling thread.
Workspace& workspace();

// octile.usable_isas() up to a level, or all of them. ArgumentError for an unknown name.
IsaSet isas_up_to(nanobind::handle level);

}  // namespace octile::python
