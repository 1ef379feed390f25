// Layers of an ONNX graph.
//
// - MatMul, Gemm, Einsum, MatMulInteger, QLinearMatMul and their com.microsoft relatives are linears where one operand
//   is constant (an initializer, or what is computed of one: Transpose, Cast, DequantizeLinear, Reshape ...), and so
//   are convolutions that are linears over rows. A product of two activations, as in attention, is none. Weights that
//   are int8 in the file are WeightForm::kInt8.
// - A bias added behind a linear and an activation behind that become part of it, in one node or spelled out.
//   Activations are found by what they compute, not by how they are written.
// - LayerNormalization and RMS norms, one node or decomposed, are layernorms.
// - What a linear reads is named where it is a layer's output, or the outputs of several and nobody could take them for
//   something else. A value that is none and that several linears read is a row of its own, op kOther.
//
// K and N are those of the weights. M is the product of the extents in front, evaluated from those that the file states
// (its value_info goes first); where they do not tell it, it is `tokens`, and the layer says so in `assumptions`.
//
// The model says what of the file's parameters no layer takes, and, as notes, what was taken for granted.
//
// Weights themselves are not looked at and may be elsewhere (external data). Memory and time are in proportion to the
// file's size; base/limits.h has the bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

struct OnnxOptions {
    // What extents are that the graph's inputs leave open and no name says, see Dimensions; and rows that nothing
    // tells.
    std::optional<std::int64_t> tokens;
    // Extents by name.
    std::map<std::string, std::int64_t> dims = {};
};

// kInvalidArgument when tokens are needed and not given, and for a name that no open extent has; kIoError; kParseError
// naming file and node, input or initializer; kUnsupported in a build without the reader.
Result<Model> read_onnx(const std::filesystem::path& path, const OnnxOptions& options);

// The same of a file's bytes; `path` is for messages and the model's name.
Result<Model> read_onnx(std::span<const std::byte> bytes, const std::filesystem::path& path,
                        const OnnxOptions& options);

}  // namespace octile
