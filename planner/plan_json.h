// Several plans in one JSON text; one alone is octile/plan.h's to_json and plan_from_json.
#pragma once

#include <nlohmann/json_fwd.hpp>
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

// A plan inside another document, at `path`.
Result<Plan> plan_from_json(const nlohmann::json& object, const std::string& path);

}  // namespace octile
