#include "octile/plan.h"

#include "base/names.h"

namespace octile {
namespace {

constexpr std::array<std::string_view, 1> kPolicies = {"ratio"};
constexpr std::array<std::string_view, 7> kReasons = {"RATIO_GE_MIN", "RATIO_LT_MIN", "FORCED",      "SKIPPED",
                                                      "PREQUANTIZED", "NO_KERNEL",    "NOT_A_LINEAR"};
constexpr std::array<std::string_view, 1> kCostSources = {"ratio"};
static_assert(kPolicies.size() == static_cast<std::size_t>(Policy::kRatio) + 1);
static_assert(kReasons.size() == static_cast<std::size_t>(Reason::kNotALinear) + 1);
static_assert(kCostSources.size() == static_cast<std::size_t>(CostSource::kRatio) + 1);

}  // namespace

std::string_view name_of(Policy policy) {
    return internal::enum_name(kPolicies, policy);
}
std::string_view name_of(Reason reason) {
    return internal::enum_name(kReasons, reason);
}
std::string_view name_of(CostSource source) {
    return internal::enum_name(kCostSources, source);
}

std::optional<Policy> parse_policy(std::string_view name) {
    return internal::enum_from_name<Policy>(kPolicies, name);
}
std::optional<Reason> parse_reason(std::string_view name) {
    return internal::enum_from_name<Reason>(kReasons, name);
}
std::optional<CostSource> parse_cost_source(std::string_view name) {
    return internal::enum_from_name<CostSource>(kCostSources, name);
}

PlanSummary summarize(const Plan& plan) {
    PlanSummary summary;
    for (const PlannedLayer& planned : plan.layers) {
        const std::int64_t count = planned.layer.count;
        if (planned.layer.op != Op::kLinear) {
            summary.not_linear += count;
            continue;
        }
        summary.linears += count;
        if (planned.precision == Precision::kInt8) {
            summary.int8 += count;
            continue;
        }
        summary.fp16 += count;
        switch (planned.reason) {
            case Reason::kSkipped:
                summary.left_by_skip += count;
                break;
            case Reason::kNoKernel:
                summary.left_no_kernel += count;
                break;
            case Reason::kForced:
                summary.left_by_force += count;
                break;
            case Reason::kRatioLtMin:
            case Reason::kRatioGeMin:
            case Reason::kPrequantized:
            case Reason::kNotALinear:
                summary.left_by_ratio += count;
                break;
        }
    }
    return summary;
}

}  // namespace octile
