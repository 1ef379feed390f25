#include "octile/plan.h"

#include <cmath>

#include "base/names.h"

namespace octile {
namespace {

constexpr std::array<std::string_view, 3> kPolicies = {"ratio", "cost", "accuracy"};
constexpr std::array<std::string_view, 16> kReasons = {
    "RATIO_GE_MIN",   "RATIO_LT_MIN",    "FORCED",          "SKIPPED",        "PREQUANTIZED",  "NO_KERNEL",
    "NOT_A_LINEAR",   "COMPUTE_BOUND",   "BANDWIDTH_BOUND", "PANEL_SHARED",   "QDQ_DOMINATES", "INT8_NOT_FASTER",
    "TIE_KEEPS_FP16", "MEASURED_FASTER", "WITHIN_BUDGET",   "ACCURACY_BUDGET"};
constexpr std::array<std::string_view, 4> kCostSources = {"ratio", "model", "measured", "mixed"};
constexpr std::array<std::string_view, 4> kBounds = {"compute", "loads", "cache", "memory"};
constexpr std::array<std::string_view, 5> kInputPanels = {"none", "own", "shared", "norm", "chain"};
static_assert(kPolicies.size() == static_cast<std::size_t>(Policy::kAccuracy) + 1);
static_assert(kReasons.size() == static_cast<std::size_t>(Reason::kAccuracyBudget) + 1);
static_assert(kCostSources.size() == static_cast<std::size_t>(CostSource::kMixed) + 1);
static_assert(kBounds.size() == static_cast<std::size_t>(Bound::kMemory) + 1);
static_assert(kInputPanels.size() == static_cast<std::size_t>(InputPanel::kChain) + 1);

// To the nanosecond, like the parts.
double rounded(double us) {
    return std::round(us * 1e3) / 1e3;
}

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

std::string_view name_of(Bound bound) {
    return internal::enum_name(kBounds, bound);
}
std::string_view name_of(InputPanel panel) {
    return internal::enum_name(kInputPanels, panel);
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

std::optional<Bound> parse_bound(std::string_view name) {
    return internal::enum_from_name<Bound>(kBounds, name);
}
std::optional<InputPanel> parse_input_panel(std::string_view name) {
    return internal::enum_from_name<InputPanel>(kInputPanels, name);
}

double SideCost::total_us() const {
    return rounded(input_us + gemm_us + epilogue_us + conversion_us);
}

std::optional<double> Cost::us_of(Precision precision) const {
    return precision == Precision::kInt8 ? int8_us() : precision == Precision::kInt4 ? int4_us() : fp16_us();
}

std::optional<double> Cost::gain() const {
    const std::optional<double> slow = fp16_us(), fast = int8_us();
    if (!slow || !fast || *fast <= 0) return std::nullopt;
    return *slow / *fast;
}

PlanSummary summarize(const Plan& plan) {
    PlanSummary summary;
    double plan_us = 0, fp16_us = 0;
    bool costs = !plan.core.empty();
    for (const PlannedLayer& planned : plan.layers) {
        const std::int64_t count = planned.layer.count;
        if (planned.layer.op != Op::kLinear) {
            summary.not_linear += count;
            continue;
        }
        const std::optional<double> mine = planned.cost.us_of(planned.precision);
        costs = costs && mine && planned.cost.fp16;
        if (costs) {
            plan_us += static_cast<double>(count) * *mine;
            fp16_us += static_cast<double>(count) * *planned.cost.fp16_us();
        }
        summary.linears += count;
        if (is_quantized(planned.precision)) {
            (planned.precision == Precision::kInt8 ? summary.int8 : summary.int4) += count;
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
            case Reason::kAccuracyBudget:
                summary.left_by_accuracy += count;
                break;
            case Reason::kQdqDominates:
            case Reason::kInt8NotFaster:
            case Reason::kTieKeepsFp16:
            case Reason::kMeasuredFaster:
            case Reason::kPanelShared:
                summary.left_by_cost += count;
                break;
            default:
                summary.left_by_ratio += count;
                break;
        }
    }
    if (costs) {
        summary.plan_us = rounded(plan_us);
        summary.fp16_us = rounded(fp16_us);
    }
    return summary;
}

}  // namespace octile
