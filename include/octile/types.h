// The small closed vocabularies that every part of Octile shares. Each has one spelling, used in files, tables and
// flags alike.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "octile/export.h"

namespace OCTILE_API octile {

// Element types of tensors that callers hand in or receive. All little-endian; kF16 is IEEE binary16.
enum class DataType { kF32, kF16, kBF16, kI8 };

// What is applied to a linear layer's output, in float32, after scale and bias. Formulas: docs/quantization.md.
enum class Activation { kNone, kRelu, kRelu6, kHardswish, kGelu, kGeluTanh, kQuickGelu, kSilu };

// Arithmetic that a linear layer runs in.
// kInt4 is INT8 whose weights are stored in fewer bits.
enum class Precision { kInt8, kFp16, kInt4 };

// Whether a layer quantizes x and multiplies integers.
constexpr bool is_quantized(Precision precision) {
    return precision != Precision::kFp16;
}

std::string_view name_of(DataType type);  // "f32" "f16" "bf16" "i8"
// "none" "relu" "relu6" "hardswish" "gelu" (erf) "gelu_tanh" "quick_gelu" "silu"
std::string_view name_of(Activation activation);
std::string_view name_of(Precision precision);  // "int8" "fp16" "int4"

std::optional<DataType> parse_data_type(std::string_view name);
std::optional<Activation> parse_activation(std::string_view name);
std::optional<Precision> parse_precision(std::string_view name);

// Bytes of one element.
std::size_t size_of(DataType type);

}  // namespace octile
