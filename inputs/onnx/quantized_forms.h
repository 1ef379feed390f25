// Nodes that only change how a value is written down, and operators that are another one's quantized form.
#pragma once

#include <onnx/onnx_pb.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "inputs/onnx/graph.h"

namespace octile {

// Whether a node's first output stands for its first input, `input`, as far as layers are concerned: Identity, Dropout,
// a Cast to floats, quantization and its inverse. Not where elements of `input` are known and would change. Of the
// node, only its attributes are looked at.
bool is_same_value(const OnnxNode& node, const OnnxValue& input);

struct QuantizedForm {
    std::string_view op, float_op;
    std::array<int, 3> operands = {0, -1, -1};  // inputs that are operands; -1: no more
    int every = 0;                              // the last operand is the first of many, so many inputs apart
};

// The form that a node of com.microsoft is; null: none.
const QuantizedForm* find_quantized_form(const OnnxNode& node);
// Which of so many inputs are operands; each is followed by its scale and zero point, if `has_scale`.
struct QuantizedOperand {
    std::size_t input;
    bool has_scale;
};
std::vector<QuantizedOperand> operands_of(const QuantizedForm& form, std::size_t inputs);

// What a constant's levels stand for; empty unless they, one scale and one zero point (or none) are known.
std::optional<Contents> dequantized(const OnnxGraph& graph, int levels, int scale, int zero_point);

}  // namespace octile
