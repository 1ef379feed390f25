// What a TensorProto says of itself, distrusted.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "inputs/onnx/graph.h"
#include "inputs/onnx/number.h"

namespace octile {

// Types that libonnx 1.12 has no name for.
inline constexpr int kOnnxFloat8First = 17, kOnnxFloat8Last = 20, kOnnxUint4 = 21, kOnnxInt4 = 22;

bool is_onnx_float(int type);  // of 16, 32 or 64 bits
bool is_onnx_four_bit(int type);
bool is_onnx_int8(int type);  // signed or not
// Bits of an element; 0 for text and what is unknown.
int bits_of_onnx_type(int type);
std::string_view name_of_onnx_type(int type);  // "FLOAT" ...

// Empty for negative extents and more than limits::kRank of them.
std::optional<Extents> extents_of(const onnx::TensorProto& tensor);
// Elements, of at most limits::kOnnxElements that are in the file itself; empty for others.
std::optional<Contents> contents_of(const onnx::TensorProto& tensor);

}  // namespace octile
