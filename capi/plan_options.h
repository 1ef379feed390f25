// Planning from C: a layer list's text, and the options.
#pragma once

#include <string_view>

#include "octile/c/plan.h"
#include "octile/layer.h"
#include "octile/planner.h"

namespace octile::capi {

octile_plan_options default_plan_options();

// Both throw a Refusal. The list, with its M as options.tokens says.
Model model_of(std::string_view list, octile_list_format format, const octile_plan_options& options);

// `rows`: of the list. What the options point to has to live as long as they.
PlanOptions plan_options(const octile_plan_options& options, std::size_t rows);

}  // namespace octile::capi
