// How weights are spelled: which tensors beside them belong to them, and what those do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/checkpoint.h"
#include "inputs/weight_matrix.h"
#include "octile/layer.h"
#include "octile/linear.h"
#include "octile/status.h"

namespace octile {

// How the input of an int8 linear is to be quantized, where whoever quantized the weights has fixed it.
struct InputQuantization {
    InputScaling scaling = InputScaling::kDynamic;
    float scale = 0;                 // kStatic
    bool static_zero_point = false;  // kAsymmetric for want of a static form with a zero point

    bool operator==(const InputQuantization&) const = default;
};

// What stands beside a weight matrix.
struct WeightParts {
    WeightForm form = WeightForm::kFloat;
    std::optional<WeightScale> scale = {};
    InputQuantization input = {};
    std::vector<const TensorInfo*> tensors = {};  // all of them
};

// The endings of a module's weight and bias, as "X.weight" and "X.bias".
struct WeightSpelling {
    std::string_view weight, bias;
};

// By the name of a weight tensor; null: it has none.
const WeightSpelling* spelling_of(std::string_view tensor);

// What families call a tensor: "X.weight", however a flattened weight is spelled.
std::string family_name(std::string_view tensor);

// kParseError, naming file and tensor, for a dtype, scales or zero points that mean nothing or that are not read.
Result<WeightParts> find_weight_parts(const Checkpoint& checkpoint, const std::string& module,
                                      const WeightMatrix& weights);

// What of that goes with weights of packed levels, whose reader has found the rest: form and input.
Result<WeightParts> find_packed_parts(const Checkpoint& checkpoint, const std::string& module,
                                      const WeightMatrix& weights);

}  // namespace octile
