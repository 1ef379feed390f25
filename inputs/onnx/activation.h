// Activations, known by what they compute.
#pragma once

#include <optional>

#include "inputs/onnx/graph.h"
#include "octile/types.h"

namespace octile {

struct FoundActivation {
    Activation activation = Activation::kNone;
    int output = -1;  // the value that is the activation of the one asked about
};

// The activation that everything that reads `value` adds up to: nodes that work element by element on it and on scalar
// constants and end in one value. They are computed for a few numbers and compared with the functions themselves, to
// 2e-3. The two forms of gelu are within 5e-4 of each other: which it is, the nodes tell (Erf or Tanh).
std::optional<FoundActivation> find_activation(const OnnxGraph& graph, int value);

// Of a node that has an activation built in, as FusedGemm and FusedConv do: its attribute "activation", or that of
// another name. kNone for those that Octile has no name for, too.
Activation built_in_activation(const OnnxNode& node);

}  // namespace octile
