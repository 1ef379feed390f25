// Layers of an ONNX graph.
//
// - MatMul, Gemm, MatMulInteger, QLinearMatMul and their com.microsoft relatives are linears where one operand is
//   constant (an initializer, or one behind Transpose, Cast, DequantizeLinear ...); a product of two activations, as in
//   attention, is none. Weights that are int8 in the file are WeightForm::kInt8.
// - A bias added behind a linear and an activation behind that become part of it: relu, gelu (one node, or decomposed
//   with erf or tanh) and silu. Decomposed ones are found by what they compute, not by how they are written.
// - LayerNormalization and RMS norms, one node or decomposed, are layernorms.
//
// Shapes come from onnx::shape_inference. Weights themselves are not looked at and may be elsewhere (external data).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

// Of the extents that the graph's inputs leave open, the first of an input with several is the batch, 1; all others are
// `tokens`, and without any, `tokens` replaces every M as in a layer list. kInvalidArgument when tokens are needed and
// not given; kIoError; kParseError naming file and node; kUnsupported in a build without the reader.
Result<Model> read_onnx_model(const std::filesystem::path& path, std::optional<std::int64_t> tokens);

}  // namespace octile
