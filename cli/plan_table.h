// Plans as tables, for a terminal or for Markdown.
#pragma once

#include <span>
#include <string>

#include "cli/table.h"
#include "octile/plan.h"

namespace octile::cli {

// What the table is of, on one line.
std::string title_of(const Plan& plan);

// One row per layer. Costs only where the plan has some.
Table plan_table(const Plan& plan);

// The verdicts of several plans of the same layers side by side, and one row per layer.
Table policies_table(std::span<const Plan> plans);

// How often the plans disagree, and their times; lines.
std::string policies_summary(std::span<const Plan> plans);

// What the plan's time is, against FP16; empty without costs.
std::string time_summary(const Plan& plan);

// What became of a layer beside its precision: what it replaces, where its quantized input comes from.
std::string note_of(const Plan& plan, const PlannedLayer& layer);

// "12.3 us", "1.23 ms"
std::string time_text(double us);

}  // namespace octile::cli
