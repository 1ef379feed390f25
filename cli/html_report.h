// Plans as one HTML file that needs nothing else: no network, no script.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "octile/plan.h"

namespace octile::cli {

// `policies` consecutive plans are of the same layers and share a part of the report; the last one is drawn.
std::string html_report(std::span<const Plan> plans, std::size_t policies);

// A plan's title, table and totals as a part of another page, whose style they take.
std::string html_table(const Plan& plan);

}  // namespace octile::cli
