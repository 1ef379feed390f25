// The layers of a flat ONNX graph, in execution order.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "inputs/onnx/graph.h"
#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

struct OnnxLayers {
    std::vector<Layer> layers;
    // Parameters that layers take.
    std::unordered_set<const onnx::TensorProto*> taken;
    // Linears whose rows are `tokens` because nothing in the file tells them.
    std::size_t assumed_rows = 0;
    // Linears whose weights are in a form that is planned as if they were floats, by what it is called.
    std::map<std::string, std::size_t> few_bits;
    // Bodies whose linears are no layers, because another branch of the same If has them; and those whose linears are
    // layers. Indices of graph.bodies.
    std::vector<int> bodies_passed_over, bodies_listed;
};

// Messages begin with `file`. kInvalidArgument when tokens are needed and not given; kParseError naming the node.
Result<OnnxLayers> layers_of(const OnnxGraph& graph, const std::string& file, std::optional<std::int64_t> tokens);

}  // namespace octile
