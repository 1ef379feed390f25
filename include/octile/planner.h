// Planning: from a list of layers to a Plan. Pure functions: no I/O, no look at the CPU, the same answer everywhere.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "octile/core.h"
#include "octile/export.h"
#include "octile/layer.h"
#include "octile/parallel.h"
#include "octile/plan.h"
#include "octile/status.h"
#include "octile/types.h"

namespace OCTILE_API octile {

// Below this K*N/(K+N) the work of quantizing a linear's input is not paid back by its multiplications.
inline constexpr double kDefaultMinRatio = 256;

// What INT8 has to gain before policy `cost` takes it, as a share of its time: the model and most measurements are no
// better than this. Less than the start of one kernel (Core::call_us) is no gain either.
inline constexpr double kDefaultNoise = 0.05;

// Longest pattern, in bytes.
inline constexpr std::size_t kMaxPatternLength = 1000;

// Longest layer or model name, in bytes.
inline constexpr std::size_t kMaxNameLength = 1024;

// The precision of every linear whose name a pattern matches; the only way to INT4.
struct Force {
    std::string pattern;
    Precision precision = Precision::kFp16;
};

// A layer that a tuning database may have timed.
struct MeasurementKey {
    std::string_view core;
    int threads = 1;
    Precision precision = Precision::kInt8;
    std::int64_t m = 0, k = 0, n = 0;
    Activation activation = Activation::kNone;
};

// Microseconds of the whole linear (quantize or pack, GEMM, epilogue) as measured on that core; nothing where there is
// no measurement. Called for both precisions of every linear; must give the same answer each time.
using Measurements = std::function<std::optional<double>(const MeasurementKey&)>;

// Patterns are regular expressions of the syntax in docs/inputs.md. They match anywhere in a name: "^...$" for the
// whole of it. Precedence: skip; then the last force that matches; then what the layer's weights are already
// (WeightForm); then the policy. INT8 or INT4
// by any of the last three gives way to NO_KERNEL where K exceeds kMaxReduction.
// Layers that are no linears are never quantized, whatever a pattern says.
struct PlanOptions {
    Policy policy = Policy::kRatio;
    double min_ratio = kDefaultMinRatio;
    std::vector<Force> forces = {};
    std::string skip = {};  // empty: skips nothing

    // The core that costs are for. Policy `cost` needs one; with another policy, costs are given and decide nothing.
    std::optional<Core> core = {};
    int threads = 1;  // more than the core's number count as that
    double noise = kDefaultNoise;
    Measurements measurements = {};

    // Policy `accuracy` needs them, one for each row of the list; a row without one stays FP16. With another policy
    // they are passed on to the plan.
    std::vector<std::optional<LayerError>> errors = {};
};

// Whether make_plan takes these options: threshold and noise finite and not negative, threads from 1, patterns
// well-formed, a core for policy `cost`. (That there is one error per row is make_plan's to check.)
Status validate(const PlanOptions& options);

// Decides precision and fusion for every layer. Time grows linearly with the list.
//
// Where a row has no `inputs` and its name is one that a known family of networks uses (q_proj, k_proj, v_proj; query,
// key, value; gate_proj, up_proj; ...), its inputs follow from the names instead: docs/planner.md.
//
// The list is in execution order: a name in `inputs` refers to a row above. Extents are 1..kMaxExtent, a layernorm or
// activation has k == n, names are printable UTF-8. A name may occur twice unless an `inputs` refers to it. Anything
// else is kInvalidArgument, with a message that names layer, row (from 1) and field. Neither bias nor unaligned K or N
// keeps a layer from INT8.
//
// `notes`, if given, receives one line for each pattern in `options` that decided no layer: most often a typing error.
Result<Plan> make_plan(const Model& model, const PlanOptions& options, std::vector<std::string>* notes = nullptr);

}  // namespace octile
