// Convolutions that are linears.
#pragma once

#include <optional>

#include "inputs/onnx/graph.h"
#include "inputs/onnx/linear.h"

namespace octile {

// Conv and its relatives.
bool is_convolution(const OnnxNode& node);

// A convolution is a linear over rows where
// - its windows do not overlap and cover all they move over (patches; points, for a kernel of 1), and channels become
//   features right behind it: nothing but Reshape and its like is between it and a Transpose that puts channels last;
// - or it is one over points, and all between such a Transpose and its inverse works on points.
// Elsewhere, in a network of images, its input does not lie in rows, and it stays a convolution.
std::optional<FoundLinear> find_convolution(const OnnxGraph& graph, const OnnxNode& node);

}  // namespace octile
