// A checkpoint of the tensors that a graph names.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "octile/graph.h"
#include "tests/packed/checkpoint_builder.h"

namespace octile::test {

// All of type f32, as a safetensors file.
inline std::string checkpoint_of(const Graph& graph, const TensorLookup& lookup) {
    CheckpointBuilder builder;
    std::set<std::string> added;
    const auto add = [&](const std::string& name, bool vector) {
        if (name.empty() || !added.insert(name).second) return;
        const MatrixView view = lookup(name)->view;
        const std::span values(static_cast<const float*>(view.data),
                               static_cast<std::size_t>(view.rows * view.columns));
        builder.add(
            name, DataType::kF32,
            vector ? std::vector<std::int64_t>{view.columns} : std::vector<std::int64_t>{view.rows, view.columns},
            values);
    };
    for (const Node& node : graph.nodes) {
        for (const EmbeddingTable& table : node.tables)
            add(table.tensor, false);
        if (node.distance_bias) add(node.distance_bias->tensor, false);
        add(node.weight, node.op != NodeOp::kLinear);
        add(node.bias, true);
    }
    return builder.bytes();
}

}  // namespace octile::test
