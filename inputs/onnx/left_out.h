// Parameters of an ONNX model that no layer takes.
#pragma once

#include "inputs/onnx/graph.h"
#include "inputs/onnx/layers.h"
#include "octile/layer.h"

namespace octile {

// Parameters are floats and quantized numbers of more than one element. Those that no layer takes are left out,
// in the order of the file, each with what reads it; those that say how others are quantized are none.
void set_parameters(Model& model, const OnnxGraph& graph, const OnnxLayers& layers);

}  // namespace octile
