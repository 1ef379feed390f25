// A Plan as the user asked to see it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/plan.h"

namespace octile::cli {

// "table" "json" "csv" "md" "html"
std::vector<std::string> plan_formats();

// `policies` consecutive plans are of the same layers; tables show them side by side. Preconditions: `format` is one of
// plan_formats(), `policies` divides the number of plans. Only "table" uses colour.
std::string format_plans(std::span<const Plan> plans, std::size_t policies, std::string_view format, bool colour);

}  // namespace octile::cli
