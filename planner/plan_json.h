// Several plans in one JSON text; one alone is octile/plan.h's to_json and plan_from_json.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/plan.h"

namespace octile {

// A plan's object if there is one, an array of them otherwise.
std::string to_json(std::span<const Plan> plans);

// Reads both.
Result<std::vector<Plan>> plans_from_json(std::string_view json);

}  // namespace octile
