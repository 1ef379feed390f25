// The graph of a checkpoint's network, for the packed file and for its plan.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "inputs/linear_tensors.h"
#include "octile/graph.h"
#include "octile/plan.h"
#include "octile/status.h"

namespace octile {

// From config.json beside the checkpoint; nothing where there is none. An error where its network is not one that
// graphs are known for, or one that a graph cannot say.
Result<std::optional<Graph>> graph_of(const Checkpoint& checkpoint);

// The list to plan a network by: its graph's layers, with everything that can be fused, and what the checkpoint's own
// list knows of their weights. Errors move with their layers.
struct GraphLayers {
    Model model;
    std::vector<std::optional<LayerError>> errors;  // as many as layers; empty where there were none
};
GraphLayers layers_of(const Graph& graph, const Model& listed, const std::vector<std::optional<LayerError>>& errors,
                      std::int64_t tokens);

// What no layer of the graph's list takes, of the checkpoint's own list and of what that left out.
std::vector<LeftOut> left_out_of(const LinearTensors& tensors, const Model& layers);

// Adds the graph's linears that the checkpoint's own list does not have as such, most of all a head that is tied to the
// table of tokens; and to `keep` the tables that they are made of. kParseError naming node and tensor.
Status add_linears(const Graph& graph, const Checkpoint& checkpoint, LinearTensors& tensors,
                   std::set<std::string, std::less<>>& keep);

}  // namespace octile
