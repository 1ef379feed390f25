// Elements of checkpoint tensors as floats.
#pragma once

#include <span>
#include <vector>

#include "inputs/safetensors.h"

namespace octile {

// Exact for every type. Precondition: tensor.type.
std::vector<float> values_of(const TensorInfo& tensor);

// Weights [n, k] as floats: int8 levels times their `scale`, which holds one value or n of them; null for weights that
// are floats.
std::vector<float> weights_of(const TensorInfo& weight, const TensorInfo* scale);

}  // namespace octile
