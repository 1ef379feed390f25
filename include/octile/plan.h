// What the planner decided for a network: a plain value that prints, compares and round-trips through JSON. The runtime
// executes it and decides nothing of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/layer.h"
#include "octile/status.h"
#include "octile/types.h"

namespace octile {

// The rule that chooses each linear's precision.
enum class Policy {
    kRatio,  // INT8 if and only if K*N/(K+N) >= min_ratio
};

// Why a layer has its precision. The codes are stable: scripts and stored plans rely on them.
enum class Reason {
    kRatioGeMin,    // RATIO_GE_MIN  INT8: K*N/(K+N) reaches the plan's min_ratio
    kRatioLtMin,    // RATIO_LT_MIN  FP16: it does not
    kForced,        // FORCED        the caller chose
    kSkipped,       // SKIPPED       FP16: the caller left the layer out, or who quantized the rest of the network
    kPrequantized,  // PREQUANTIZED INT8: the weights came as int8
    kNoKernel,      // NO_KERNEL     FP16: INT8 was chosen, but no INT8 kernel takes the shape
    kNotALinear,  // NOT_A_LINEAR  floating point, always: a layernorm's or activation's parameters are never quantized
};

// Where a cost comes from.
enum class CostSource {
    kRatio,  // the ratio policy, which weighs shapes and estimates no time
};

struct Cost {
    std::optional<double> int8_us;  // absent: no estimate
    std::optional<double> fp16_us;
    CostSource source = CostSource::kRatio;

    bool operator==(const Cost&) const = default;
};

// One row of a plan, which may stand for several rows of the layer list: `layer` is the fused layer (a linear's own
// name, with the activation it absorbed), `replaces` the names of the rows it came from, in execution order.
struct PlannedLayer {
    Layer layer;
    Precision precision = Precision::kFp16;
    Reason reason = Reason::kNotALinear;
    std::optional<double> ratio;  // K*N/(K+N) of a linear
    std::optional<double>
        margin;  // how far the policy's figure is from flipping the choice, >= 0 towards INT8; ratio: ratio - min_ratio
    bool quantize_input = false;  // only ever true for INT8: a linear that stays FP16 has no quantizer on its input
    std::vector<std::string> replaces;
    std::optional<std::string> kernel;  // absent: chosen at run time, for the CPU at hand
    Cost cost;

    bool operator==(const PlannedLayer&) const = default;
};

struct Plan {
    std::string model;
    Policy policy = Policy::kRatio;
    double min_ratio = 0;
    std::vector<PlannedLayer> layers;  // in execution order

    bool operator==(const Plan&) const = default;
};

// How many layers were taken and why the others were left. Each row counts `count` times.
struct PlanSummary {
    std::int64_t linears = 0;
    std::int64_t int8 = 0;
    std::int64_t fp16 = 0;  // the sum of the four below
    std::int64_t left_by_ratio = 0;
    std::int64_t left_by_skip = 0;
    std::int64_t left_no_kernel = 0;
    std::int64_t left_by_force = 0;
    std::int64_t not_linear = 0;  // layernorms and activations that stand alone

    bool operator==(const PlanSummary&) const = default;
};

// One thing that two plans do not agree on. `layer` is empty for the plan's own fields. `field` is the JSON name, or
// "layer" when only one plan has the layer, or "position" (among the layers that both have) for the first layer that is
// in another place.
struct PlanDifference {
    std::string layer;
    std::string field;
    std::string before;  // as text; empty: absent
    std::string after;

    bool operator==(const PlanDifference&) const = default;
};

std::string_view name_of(Policy policy);      // "ratio"
std::string_view name_of(Reason reason);      // "RATIO_GE_MIN" ...
std::string_view name_of(CostSource source);  // "ratio"
std::optional<Policy> parse_policy(std::string_view name);
std::optional<Reason> parse_reason(std::string_view name);
std::optional<CostSource> parse_cost_source(std::string_view name);

// What a layer has become, e.g. "FusedLinearAct(768→3072, act=gelu)", "FusedLinear(768→3072)", "FusedLayerNorm(768)".
// UTF-8.
std::string fused_form(const PlannedLayer& layer);

PlanSummary summarize(const Plan& plan);

// One line, e.g. "12 linears: 6 INT8, 6 FP16 (ratio 6, explicit skip 0, no kernel 0)".
std::string to_text(const PlanSummary& summary);

// A line for the plan, one per layer, one for the summary. Stable: for golden tests and bug reports.
std::string to_text(const Plan& plan);

// JSON with one layer per line, so that stored plans diff well. plan_from_json(to_json(p)) == p for every plan that
// make_plan returns.
std::string to_json(const Plan& plan);

// Strict: an unknown, missing or contradictory field is an error that names it, e.g. `layers[3].precision: expected
// ...`.
Result<Plan> plan_from_json(std::string_view json);

// Empty if and only if before == after. Layers are matched by name. A field that only follows from one already listed
// (a ratio when K changed, a margin when the ratio did) is not listed again.
std::vector<PlanDifference> compare(const Plan& before, const Plan& after);

// One line, e.g. "blocks.0.fc1: precision: int8 -> fp16".
std::string to_text(const PlanDifference& difference);

}  // namespace octile
