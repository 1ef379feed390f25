// Norms, in one node or spelled out.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "inputs/onnx/graph.h"

namespace octile {

struct FoundNorm {
    int input = -1;   // -1: an embedding's, which is looked up in the same node
    int output = -1;  // with scale and bias, where they follow
    int sum = -1;     // what a norm that adds first hands out beside; -1: nothing
    int scale = -1;   // a constant; -1: none
    bool bias = false;
    std::optional<double> epsilon;
    std::vector<int> parameters;  // constants that the norm takes
    // What an addition in the norm adds to `input` beside the residual: the bias of the linear before it.
    int input_bias = -1;
};

// The layernorm or RMS norm over the last axis whose output, or whose last step before scale and bias, this node makes:
// one node (LayerNormalization, SimplifiedLayerNormalization, ...) or a division by the root of a mean of squares.
std::optional<FoundNorm> find_norm(const OnnxGraph& graph, const OnnxNode& node);

// The operand of a node of two that is not `value`; -1 when it has another number of operands.
int other_operand(const OnnxNode& node, int value);

// Whether a value is a constant of n elements along its last axis.
bool is_vector(const OnnxGraph& graph, int value, std::int64_t n);

}  // namespace octile
