// Planning: from a list of layers to a Plan. Pure functions: no I/O, no look at the CPU, the same answer everywhere.
#pragma once

#include <string>
#include <vector>

#include "octile/layer.h"
#include "octile/plan.h"
#include "octile/status.h"
#include "octile/types.h"

namespace octile {

// Below this K*N/(K+N) the work of quantizing a linear's input is not paid back by its multiplications.
inline constexpr double kDefaultMinRatio = 256;

// Longest pattern, in bytes.
inline constexpr std::size_t kMaxPatternLength = 1000;

// Longest layer or model name, in bytes.
inline constexpr std::size_t kMaxNameLength = 1024;

// The precision of every linear whose name a pattern matches.
struct Force {
    std::string pattern;
    Precision precision = Precision::kFp16;
};

// Patterns are ECMAScript regular expressions without back-references. They match anywhere in a name: "^...$" for the
// whole of it. Precedence: skip; then the last force that matches; then what the layer's weights are already
// (WeightForm); then the policy. INT8 by any of the last three gives way to NO_KERNEL where K exceeds kMaxReduction.
// Layers that are no linears are never quantized, whatever a pattern says.
struct PlanOptions {
    Policy policy = Policy::kRatio;
    double min_ratio = kDefaultMinRatio;
    std::vector<Force> forces = {};
    std::string skip = {};  // empty: skips nothing
};

// Whether make_plan takes these options: threshold finite and not negative, patterns well-formed.
Status validate(const PlanOptions& options);

// Decides precision and fusion for every layer. Time grows linearly with the list.
//
// The list is in execution order: a name in `inputs` refers to a row above. Extents are 1..kMaxExtent, a layernorm or
// activation has k == n, names are printable UTF-8. A name may occur twice unless an `inputs` refers to it. Anything
// else is kInvalidArgument, with a message that names layer, row (from 1) and field. Neither bias nor unaligned K or N
// keeps a layer from INT8.
//
// `notes`, if given, receives one line for each pattern in `options` that decided no layer: most often a typing error.
Result<Plan> make_plan(const Model& model, const PlanOptions& options, std::vector<std::string>* notes = nullptr);

}  // namespace octile
