#include "quantize/graph_of.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_map>

#include "inputs/messages.h"
#include "inputs/tensor_values.h"

namespace octile {

namespace {

// The checkpoint's tensor of that name, which has to have this shape and numbers in it.
Result<const TensorInfo*> tensor_of(const Checkpoint& checkpoint, const Node& node, const std::string& name,
                                    const std::vector<std::int64_t>& shape) {
    const TensorInfo* tensor = checkpoint.find(name);
    if (tensor && tensor->shape == shape && has_unscaled_floats(*tensor)) return tensor;
    return parse_error(fmt::format("node {}: expected a tensor {} of F32, F16 or BF16 [{}], found {}",
                                   internal::quote(node.name), internal::quote(name), fmt::join(shape, ", "),
                                   tensor ? fmt::format("{} {}", tensor->dtype, shape_text(*tensor)) : "none"));
}

}  // namespace

Status add_linears(const Graph& graph, const Checkpoint& checkpoint, LinearTensors& tensors,
                   std::set<std::string, std::less<>>& keep) {
    std::set<std::string, std::less<>> known;
    for (const LinearTensor& tensor : tensors.layers)
        known.insert(tensor.layer.name);
    const Model layers = layers_of(graph, 1);
    std::unordered_map<std::string_view, const Layer*> by_name;
    for (const Layer& layer : layers.layers)
        by_name.emplace(layer.name, &layer);
    for (const Node& node : graph.nodes) {
        for (const EmbeddingTable& table : node.tables)
            keep.insert(table.tensor);
        if (!node.shared.empty()) tensors.shared[node.name] = node.shared;
        if (node.op != NodeOp::kLinear || !node.shared.empty() || known.contains(node.name)) continue;
        LinearTensor added;
        added.layer = *by_name.at(node.name);
        const Result<const TensorInfo*> weight =
            tensor_of(checkpoint, node, node.weight, {node.features, added.layer.k});
        if (!weight.ok()) return weight.status();
        added.weight = WeightMatrix::of(*weight.value());
        added.tensors = {weight.value()};
        if (!node.bias.empty()) {
            const Result<const TensorInfo*> bias = tensor_of(checkpoint, node, node.bias, {node.features});
            if (!bias.ok()) return bias.status();
            added.bias = *bias.value();
            added.tensors.push_back(bias.value());
        }
        tensors.layers.push_back(std::move(added));
    }
    return {};
}

}  // namespace octile
