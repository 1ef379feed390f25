// What the network of a checkpoint is: by config.json beside it, or, without one, by the names of its tensors.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "families/tensor_list.h"
#include "inputs/checkpoint.h"
#include "inputs/linear_tensors.h"
#include "inputs/read_model.h"
#include "octile/graph.h"
#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

struct CheckpointNetwork {
    // The list to plan by. Of a configuration's network: every row of its graph. Linears that no network says anything
    // about come last; nobody knows what they read.
    Model model;
    // The linears and norms of the checkpoint, in the same order, with what the list says of them.
    LinearTensors tensors;
    std::optional<Graph> whole;  // the network; nothing where no family knows it, or only its names tell it
    std::optional<Graph> graph;  // what of it a session runs; nothing where none does
    // Why there is no `graph`, each naming a file; empty: there is one, or nobody says what the network is.
    std::vector<std::string> obstacles;
};

// kInvalidArgument where options.tokens is needed and missing, and what find_linear_tensors() says.
Result<CheckpointNetwork> read_network(const Checkpoint& checkpoint, const ReadOptions& options);

// Names and shapes of a checkpoint's tensors, without those that hold packed bits.
TensorList tensor_list_of(const Checkpoint& checkpoint);

}  // namespace octile
