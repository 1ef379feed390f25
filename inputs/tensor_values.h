// Elements of checkpoint tensors as floats.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "inputs/tensor_info.h"

namespace octile {

// Whether values_of() reads the tensor: F32, F16, BF16, F64, I8, the types of eight bits F8_E4M3, F8_E5M2, their FNUZ
// forms and F8_E8M0, and blocks of GGUF's types (inputs/gguf/types.h) but those that are not read.
bool has_values(const TensorInfo& tensor);

// The same without I8, whose levels mean something with their scales only.
bool has_float_values(const TensorInfo& tensor);

// The same without the floats of eight bits, which have scales beside them too.
bool has_unscaled_floats(const TensorInfo& tensor);

// Exact for every type but F64, which is rounded to nearest, ties to even, and a `shift`, whose subtraction is rounded
// where the value is below 0.5. Precondition: has_values().
std::vector<float> values_of(const TensorInfo& tensor);

// Elements `first`, `first + stride`, ... into `values`, which says how many. Preconditions: has_values(); they are
// within the tensor.
void read_values(const TensorInfo& tensor, std::int64_t first, std::int64_t stride, std::span<float> values);

// Where `count` elements from `first` on lie; of blocks, all that those lie in. Of rows that lie in pairs
// (TensorInfo::paired_rows), so many elements from that place on.
std::span<const std::byte> bytes_of(const TensorInfo& tensor, std::int64_t first, std::int64_t count);

}  // namespace octile
