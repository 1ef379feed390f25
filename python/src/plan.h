// octile.Plan, and what octile.plan() is made of.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <string>
#include <vector>

#include "octile/plan.h"
#include "octile/planner.h"

namespace octile::python {

struct PythonPlan {
    Plan value;
    std::vector<std::string> notes = {};
    // What it was made of; absent for a plan that came as JSON or in a packed file.
    struct Origin {
        Model model;
        PlanOptions options;
    };
    std::optional<Origin> origin = {};
};

void add_plan(nanobind::module_& module);

}  // namespace octile::python
