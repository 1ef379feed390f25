// Why one layer has its precision, and at which number of rows it would have the other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "octile/planner.h"

namespace octile {

// From this M up to the next range's, the layer has this precision.
struct PrecisionRange {
    std::int64_t from_m = 1;
    Precision precision = Precision::kFp16;
    Reason reason = Reason::kNotALinear;

    bool operator==(const PrecisionRange&) const = default;
};

// Largest M that is looked at.
inline constexpr std::int64_t kMaxExplainedRows = 65536;

struct Explanation {
    PlannedLayer layer;
    std::vector<std::string> shares_with;  // the other linears of the same input
    std::vector<PrecisionRange> ranges;    // of a linear, from M = 1 on; linears that share its input change with it
};

// kInvalidArgument where no layer of the plan has that name, or several do. A name that a fused layer replaces stands
// for that layer.
Result<Explanation> explain(const Model& model, const PlanOptions& options, std::string_view layer);

// In words, with the numbers; several lines.
std::string to_text(const Explanation& explanation, const Plan& plan);

}  // namespace octile
