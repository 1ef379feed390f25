// An ONNX model made one list of nodes.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstddef>
#include <string>

#include "inputs/onnx/dimensions.h"
#include "inputs/onnx/graph.h"
#include "octile/status.h"

namespace octile {

// The graph refers to the model, which has to outlive it. `bytes` is the size of the file, which bounds what functions
// may be written out to. Of an If whose condition is known the branch that runs is all there is; of any other both are.
// kParseError, beginning with `file`, for nodes that go in circles, functions that call themselves or grow beyond the
// bound, and initializers with extents that no tensor can have.
Result<OnnxGraph> flatten(const onnx::ModelProto& model, const std::string& file, std::size_t bytes,
                          const Dimensions& dimensions);

// "node "x" (MatMul)", for messages.
std::string describe(const onnx::NodeProto& node);

}  // namespace octile
