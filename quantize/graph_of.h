// The graph of a checkpoint's network, for the packed file and for its plan.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "inputs/checkpoint.h"
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

}  // namespace octile
