// Elements of checkpoint tensors as floats.
#pragma once

#include <vector>

#include "inputs/safetensors.h"

namespace octile {

// Whether values_of() reads the tensor: F32, F16, BF16, F64, I8 and the types of eight bits F8_E4M3, F8_E5M2, their
// FNUZ forms and F8_E8M0.
bool has_values(const TensorInfo& tensor);

// The same without I8, whose levels mean something with their scales only.
bool has_float_values(const TensorInfo& tensor);

// Exact for every type but F64, which is rounded to nearest, ties to even. Precondition: has_values().
std::vector<float> values_of(const TensorInfo& tensor);

// Elements `first`, `first + stride`, ... into `values`, which says how many. Preconditions: has_values(); they are
// within the tensor.
void read_values(const TensorInfo& tensor, std::int64_t first, std::int64_t stride, std::span<float> values);

}  // namespace octile
