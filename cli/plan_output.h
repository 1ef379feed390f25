// A Plan as the user asked to see it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/plan.h"

namespace octile::cli {

// "table" "json" "csv" "md"
std::vector<std::string> plan_formats();

// Precondition: `format` is one of plan_formats(). Only "table" uses colour.
std::string format_plans(std::span<const Plan> plans, std::string_view format, bool colour);

}  // namespace octile::cli
