// What the planner decided for a network: a plain value that prints, compares and round-trips through JSON. The runtime
// executes it and decides nothing of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/cpu.h"
#include "octile/export.h"
#include "octile/layer.h"
#include "octile/status.h"
#include "octile/types.h"

namespace OCTILE_API octile {

// The rule that chooses each linear's precision.
enum class Policy {
    kRatio,     // INT8 if and only if K*N/(K+N) >= min_ratio
    kCost,      // INT8 if it is faster on the plan's core by more than the noise
    kAccuracy,  // INT8 where the caller's LayerError says that the error budget allows it
};

// Why a layer has its precision. The codes are stable: scripts and stored plans rely on them.
enum class Reason {
    kRatioGeMin,    // RATIO_GE_MIN       INT8: K*N/(K+N) reaches the plan's min_ratio
    kRatioLtMin,    // RATIO_LT_MIN       FP16: it does not
    kForced,        // FORCED             the caller chose
    kSkipped,       // SKIPPED            FP16: the caller left the layer out, or who quantized the rest of the network
    kPrequantized,  // PREQUANTIZED     INT8: the weights came as int8
    kNoKernel,      // NO_KERNEL          FP16: INT8 was chosen, but no INT8 kernel takes the shape
    kNotALinear,  // NOT_A_LINEAR       floating point, always: a norm's or activation's parameters are never quantized
    kComputeBound,    // COMPUTE_BOUND      INT8: more products per cycle than FP16, which computes all the time
    kBandwidthBound,  // BANDWIDTH_BOUND    INT8: FP16 waits for weights, and INT8 weights have half the bytes
    kPanelShared,     // PANEL_SHARED       as the other linears of the same input, whose panel it shares
    kQdqDominates,    // QDQ_DOMINATES      FP16: quantizing the input costs more than the faster product saves
    kInt8NotFaster,   // INT8_NOT_FASTER    FP16: its product is as fast
    kTieKeepsFp16,    // TIE_KEEPS_FP16     FP16: the difference is within the plan's noise
    kMeasuredFaster,  // MEASURED_FASTER    the faster of two measurements on the core
    kWithinBudget,    // WITHIN_BUDGET      INT8: the error budget allows it
    kAccuracyBudget,  // ACCURACY_BUDGET    FP16: it does not
};

// Where a cost comes from.
enum class CostSource {
    kRatio,     // no core was named: shapes are weighed and no time is estimated
    kModel,     // the cost model of the plan's core
    kMeasured,  // a measurement on the core, of both sides
    kMixed,     // a measurement of one side
};

// What a GEMM spends its time on.
enum class Bound {
    kCompute,  // multiply-accumulates
    kLoads,    // loads from the first cache
    kCache,    // bytes from a further cache
    kMemory,   // bytes from memory
};

// Predicted time of one layer in one precision, on the plan's core and threads. Microseconds, rounded to 0.001.
struct SideCost {
    double input_us = 0;       // INT8, INT4: quantize x; FP16: pack x. Its share, where linears share the panel
    double gemm_us = 0;        // multiply, weights streamed in; INT4: unpack them too
    double epilogue_us = 0;    // scale, bias, activation, store
    double conversion_us = 0;  // FP16 only: what INT8 neighbours pay for a layer that is not
    Bound bound = Bound::kCompute;
    Isa isa = Isa::kNeon;   // level of the kernels
    bool measured = false;  // the sum was measured; the model only divides it

    double total_us() const;

    bool operator==(const SideCost&) const = default;
};

struct Cost {
    std::optional<SideCost> int8;  // absent: no estimate
    std::optional<SideCost> fp16;
    std::optional<SideCost> int4;  // of a layer that is INT4
    CostSource source = CostSource::kRatio;

    std::optional<double> int8_us() const { return int8 ? std::optional(int8->total_us()) : std::nullopt; }
    std::optional<double> fp16_us() const { return fp16 ? std::optional(fp16->total_us()) : std::nullopt; }
    std::optional<double> int4_us() const { return int4 ? std::optional(int4->total_us()) : std::nullopt; }
    // Of the side that a layer of this precision takes.
    std::optional<double> us_of(Precision precision) const;
    // fp16 : int8, above 1 where INT8 is faster.
    std::optional<double> gain() const;

    bool operator==(const Cost&) const = default;
};

// Error of one layer's output in INT8 against floating point, and what policy `accuracy` makes of it.
struct LayerError {
    double sqnr_db = 0;  // signal to quantization noise
    double cosine = 0;   // cosine similarity
    std::optional<double> smoothquant_alpha =
        {};             // with the activations smoothed by this exponent; absent: as they are
    bool int8 = false;  // whether the error budget lets the layer be INT8

    bool operator==(const LayerError&) const = default;
};

// One set of INT8 layers on the frontier of time saved against error.
struct FrontierPoint {
    std::int64_t int8_layers = 0;
    double saved_us = 0;  // against the network in FP16
    double sqnr_db = 0;   // of the network

    bool operator==(const FrontierPoint&) const = default;
};

// Where an INT8 linear's quantized input comes from.
enum class InputPanel {
    kNone,    // FP16: there is none
    kOwn,     // it quantizes its input itself, for the layers that share it too
    kShared,  // another INT8 linear of the same input quantized it
    kNorm,    // the layernorm before it writes it, for no more than the norm costs anyway
    kChain,   // the INT8 linear before it writes INT8, by its static scale
};

// One row of a plan, which may stand for several rows of the layer list: `layer` is the fused layer (a linear's own
// name, with the activation it absorbed), `replaces` the names of the rows it came from, in execution order.
struct PlannedLayer {
    Layer layer;
    Precision precision = Precision::kFp16;
    Reason reason = Reason::kNotALinear;
    std::optional<double> ratio;  // K*N/(K+N) of a linear
    // How far the policy's figure is from flipping the choice, >= 0 towards INT8. Ratio: ratio - min_ratio; cost: gain
    // - (1 + noise); accuracy: none.
    std::optional<double> margin;
    bool quantize_input = false;  // never true for FP16: a linear that stays so has no quantizer on its input
    std::vector<std::string> replaces;
    std::optional<std::string> kernel;  // absent: chosen at run time, for the CPU at hand
    InputPanel panel = InputPanel::kNone;
    std::string panel_from;  // the layer that writes the panel: with kShared, kNorm and kChain
    // The linear of the same input whose output, behind its activation, this one's is multiplied by: the gate of an up
    // projection. Empty: none.
    std::string gate;
    Cost cost;
    std::optional<LayerError> error;  // as the caller supplied it

    bool operator==(const PlannedLayer&) const = default;
};

struct Plan {
    std::string model;
    Policy policy = Policy::kRatio;
    double min_ratio = 0;
    std::string core = {};  // of the costs; empty: none was named
    int threads = 1;
    double noise = 0;                       // policy cost: INT8 has to be faster by more than this share
    std::vector<PlannedLayer> layers = {};  // in execution order
    std::vector<FrontierPoint> frontier = {};
    // As the model says it: of the file, and not of the layers.
    std::int64_t parameters = 0;
    std::vector<LeftOut> left_out = {};

    bool operator==(const Plan&) const = default;
};

// How many layers were taken and why the others were left. Each row counts `count` times.
struct PlanSummary {
    std::int64_t linears = 0;
    std::int64_t int8 = 0;
    std::int64_t int4 = 0;
    std::int64_t fp16 = 0;  // the sum of those below
    std::int64_t left_by_ratio = 0;
    std::int64_t left_by_cost = 0;
    std::int64_t left_by_accuracy = 0;
    std::int64_t left_by_skip = 0;
    std::int64_t left_no_kernel = 0;
    std::int64_t left_by_force = 0;
    std::int64_t not_linear = 0;  // layernorms and activations that stand alone
    // Time of all linears as planned, and if all were FP16; absent without costs.
    std::optional<double> plan_us;
    std::optional<double> fp16_us;

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

std::string_view name_of(Policy policy);      // "ratio" "cost" "accuracy"
std::string_view name_of(Reason reason);      // "RATIO_GE_MIN" ...
std::string_view name_of(CostSource source);  // "ratio" "model" "measured" "mixed"
std::string_view name_of(Bound bound);        // "compute" "loads" "cache" "memory"
std::string_view name_of(InputPanel panel);   // "none" "own" "shared" "norm" "chain"
std::optional<Policy> parse_policy(std::string_view name);
std::optional<Reason> parse_reason(std::string_view name);
std::optional<CostSource> parse_cost_source(std::string_view name);
std::optional<Bound> parse_bound(std::string_view name);
std::optional<InputPanel> parse_input_panel(std::string_view name);

// What a layer has become, e.g. "FusedLinearAct(768→3072, act=gelu)", "FusedLinear(768→3072)", "FusedLayerNorm(768,
// eps=1e-12)". UTF-8.
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
