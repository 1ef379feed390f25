// What a layer made of ONNX nodes is called.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "inputs/onnx/graph.h"

namespace octile {

class OnnxNames {
  public:
    explicit OnnxNames(const OnnxGraph& graph);

    // As the checkpoint has it where the graph tells: by the module that the exporter left in the node's metadata
    // (pkg.torch.onnx.name_scopes), by the parameter "fc.weight", or by the path of the node "/encoder/fc/MatMul". Else
    // the node's name, or that of its output. A parameter that several nodes read goes behind the path: exporters make
    // one of equal ones. `parameter`: the value that is its weights; -1: none.
    std::string layer_name(const OnnxNode& node, int parameter) const;

  private:
    const OnnxGraph& graph_;
    std::unordered_map<const onnx::TensorProto*, std::size_t> readers_;
};

}  // namespace octile
