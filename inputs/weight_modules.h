// The modules of a network that a checkpoint's tensors are, each with its weights and bias, found by names and shapes
// alone. What they mean to each other, and what they are called in a network, is not looked at.
//
// - A 2-D X.weight is a linear X of shape [N, K]; X.bias, when there is one, is [N]. X_weight with X_bias
// (in_proj_weight
//   of torch's attention) are the same.
// - Except tables: no bias, and a name that table_name() knows.
// - A 1-D X.weight whose last name component says norm or ln is a norm; q_norm and k_norm are not (their rows are
//   heads), nor is a batch norm (it has a running_mean).
// - A 3-D tensor below a component `experts` is a stack of matrices, one for each expert. Which way they lie, [N, K] or
//   [K, N], its shape does not tell.
// - Weights of I8 and of the floats of eight bits have their scales beside them (weight_forms.h). Of the forms that
// pack
//   levels into words (packed_forms.h) some are linears; the tensors of the others are left out, and an error where
//   most of the linears come in it.
// - Everything else is left out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/checkpoint.h"
#include "inputs/weight_forms.h"
#include "inputs/weight_matrix.h"
#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

// What the tensors do not tell, and somebody else knows. Each is asked with a module's name; empty: no.
struct WeightRules {
    std::function<bool(std::string_view)> leave_out = {};      // whatever it is
    std::function<bool(std::string_view)> may_leave_out = {};  // where it cannot be read
    std::function<bool(std::string_view)> transposed = {};     // a linear that lies [K, N], as GPT-2's do
};

enum class ModuleKind { kLinear, kNorm, kExperts, kTable };

struct WeightModule {
    std::string name;  // its tensors' without ".weight"
    ModuleKind kind = ModuleKind::kLinear;
    // [n, k] of a linear; [1, n] of a norm; the tensor alone, without extents, of experts and tables.
    WeightMatrix weight = {};
    std::optional<TensorInfo> bias = {};          // [n]; of experts [experts, n]
    WeightForm form = WeightForm::kFloat;         // of a linear
    InputQuantization input = {};                 // likewise
    std::vector<const TensorInfo*> tensors = {};  // of the file: weight, bias, and all that goes with them
};

struct WeightModules {
    std::vector<WeightModule> modules;  // in the order of the data
    std::vector<LeftOut> left_out;      // tensors that are in no module, likewise
};

// kParseError, naming file and tensor, for a dtype or shape that no module can have.
Result<WeightModules> find_weight_modules(const Checkpoint& checkpoint, const WeightRules& rules);

// The linear of rows [first, first + count) of a linear: q of a fused qkv. Precondition: they are within it.
WeightModule rows_of(const WeightModule& linear, std::string name, std::int64_t first, std::int64_t count);

// The linear of one expert. Precondition: there is one of that index.
WeightModule expert_of(const WeightModule& experts, std::string name, std::int64_t index, bool transposed);

// How many parameters of a network a tensor holds, as it lies: none if its elements are indices or flags.
std::int64_t parameters_of(const TensorInfo& tensor);

// Of a module, what its weights and bias stand for.
std::int64_t parameters_of(const WeightModule& module);

LeftOut left_out_of(const TensorInfo& tensor, LeftOutReason reason, std::string text);

}  // namespace octile
