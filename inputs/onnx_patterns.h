// What several nodes of an ONNX graph are together.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "inputs/onnx_graph.h"
#include "octile/types.h"

namespace octile {

struct FoundActivation {
    Activation activation = Activation::kNone;
    std::string output;  // the value that is the activation of the one asked about
};

// The activation that everything that reads `value` adds up to: nodes that work element by element on it and on scalar
// constants and end in one value. They are computed for a few numbers and compared with the functions themselves, to
// 2e-3; the tanh form of gelu counts as gelu.
std::optional<FoundActivation> find_activation(const OnnxGraph& graph, const std::string& value);

struct FoundNorm {
    std::string input;
    std::string output;  // with scale and bias, where they follow
    std::string scale;   // name of the constant; empty: none
    bool bias = false;
    std::optional<double> epsilon;
};

// The layernorm or RMS norm whose output, or whose last step before scale and bias, this node makes: one node
// (LayerNormalization, SimplifiedLayerNormalization, ...) or a division by the root of a mean of squares.
std::optional<FoundNorm> find_norm(const OnnxGraph& graph, const onnx::NodeProto& node);

// The operand of a node of two that is not `value`; empty when it has another number of operands.
std::string_view other_operand(const onnx::NodeProto& node, std::string_view value);

// The only node that reads `value`, if there is one and the graph does not hand the value out.
std::optional<int> only_consumer(const OnnxGraph& graph, const std::string& value);

// Whether a value is a constant of n elements along its last axis.
bool is_vector(const OnnxGraph& graph, std::string_view value, std::int64_t n);

}  // namespace octile
