// Parameters of an ONNX model that no layer takes.
#pragma once

#include <onnx/onnx_pb.h>

#include <unordered_set>

#include "inputs/onnx/graph.h"
#include "octile/layer.h"

namespace octile {

// Parameters are floats and quantized numbers of more than one element. Those that no layer has `taken` are left out,
// in the order of the file, each with what reads it; those that say how others are quantized are none.
void set_parameters(Model& model, const OnnxGraph& graph, const std::unordered_set<const onnx::TensorProto*>& taken);

}  // namespace octile
