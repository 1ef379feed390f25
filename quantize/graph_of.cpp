#include "quantize/graph_of.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "inputs/graph_config.h"
#include "inputs/messages.h"

namespace octile {

Result<std::optional<Graph>> graph_of(const Checkpoint& checkpoint) {
    const std::filesystem::path config = checkpoint.path().parent_path() / "config.json";
    std::error_code error;
    if (!std::filesystem::is_regular_file(config, error)) return std::optional<Graph>();
    GraphOptions options;
    options.has_tensor = [&](std::string_view tensor) { return checkpoint.find(tensor) != nullptr; };
    Result<Graph> graph = read_graph(config, std::move(options));
    if (!graph.ok()) return graph.status();
    return std::optional(std::move(graph).value());
}

GraphLayers layers_of(const Graph& graph, const Model& listed, const std::vector<std::optional<LayerError>>& errors,
                      std::int64_t tokens) {
    GraphLayers result{layers_of(graph, tokens), {}};
    std::unordered_map<std::string_view, std::size_t> rows;
    for (std::size_t row = 0; row < listed.layers.size(); row++)
        rows.emplace(listed.layers[row].name, row);
    if (!errors.empty()) result.errors.resize(result.model.layers.size());
    for (std::size_t at = 0; at < result.model.layers.size(); at++) {
        Layer& layer = result.model.layers[at];
        const auto row = rows.find(layer.name);
        if (row == rows.end()) continue;
        layer.weights = listed.layers[row->second].weights;
        if (!errors.empty()) result.errors[at] = errors[row->second];
    }
    return result;
}

std::vector<LeftOut> left_out_of(const LinearTensors& tensors, const Model& layers) {
    std::set<std::string_view> listed, taken;
    for (const Layer& layer : layers.layers)
        listed.insert(layer.name);
    for (const LinearTensor& tensor : tensors.layers) {
        if (tensor.layer.op != Op::kLinear || listed.contains(tensor.layer.name))
            for (const TensorInfo* const part : tensor.tensors)
                taken.insert(part->name);
    }
    std::vector<LeftOut> left_out;
    for (const LeftOut& left : tensors.left_out) {
        // A table that a head is made of as well is one all the same.
        if (left.reason == LeftOutReason::kTable || !taken.contains(left.tensor)) left_out.push_back(left);
    }
    for (const LinearTensor& tensor : tensors.layers) {
        if (tensor.layer.op != Op::kLinear || listed.contains(tensor.layer.name)) continue;
        for (const TensorInfo* const part : tensor.tensors)
            left_out.push_back(left_out_of(*part, LeftOutReason::kOther, "a linear that is no part of the network"));
    }
    return left_out;
}

namespace {

// The checkpoint's tensor of that name, which has to have this shape and numbers in it.
Result<const TensorInfo*> tensor_of(const Checkpoint& checkpoint, const Node& node, const std::string& name,
                                    const std::vector<std::int64_t>& shape) {
    const TensorInfo* tensor = checkpoint.find(name);
    if (tensor && tensor->shape == shape && tensor->type && *tensor->type != DataType::kI8) return tensor;
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
    for (const Node& node : graph.nodes) {
        for (const EmbeddingTable& table : node.tables)
            keep.insert(table.tensor);
        if (node.op != NodeOp::kLinear || known.contains(node.name)) continue;
        LinearTensor added;
        added.layer = *std::find_if(layers.layers.begin(), layers.layers.end(),
                                    [&](const Layer& layer) { return layer.name == node.name; });
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
