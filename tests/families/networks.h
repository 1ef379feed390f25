// Networks of small configurations, and what is asked of them.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "families/build_network.h"
#include "families/layer_lists.h"

namespace octile {

using nlohmann::json;

// Small sizes under every key that some family has.
inline json config_of(const std::string& type, const std::string& architecture) {
    json config = {{"model_type", type},       {"architectures", {architecture}}, {"vocab_size", 50},
                   {"hidden_size", 64},        {"intermediate_size", 40},         {"num_hidden_layers", 2},
                   {"num_attention_heads", 4}, {"max_position_embeddings", 32}};
    // As many as heads, where the default of the type is another number.
    for (const char* grouped : {"mistral", "qwen2", "qwen3", "qwen3_moe", "smollm3", "gemma2", "starcoder2"})
        if (type == grouped) config["num_key_value_heads"] = 4;
    return config;
}

inline FamilyNetwork must(Result<FamilyNetwork> network) {
    INFO(network.status().message());
    REQUIRE(network.ok());
    return std::move(network).value();
}

inline FamilyNetwork build(const json& config, const TensorList* tensors = nullptr,
                           const NetworkOptions& options = {}) {
    // As a file has it: integers without a sign.
    const json document = json::parse(config.dump());
    return must(build_network(&document, tensors, options));
}

// The tensors that a graph names, each with `wrapper` in front.
inline TensorList tensors_of(const Graph& graph, const std::string& wrapper = "") {
    TensorList list;
    std::map<std::string, std::int64_t> features;
    for (const GraphInput& input : graph.inputs)
        features[input.name] = input.features;
    for (const Node& node : graph.nodes) {
        features[node.name] = node.features;
        for (const EmbeddingTable& table : node.tables)
            list.add(wrapper + table.tensor, {table.rows, node.features});
        if (node.distance_bias)
            list.add(wrapper + node.distance_bias->tensor, {node.distance_bias->buckets, node.heads});
        if (node.weight.empty()) continue;
        if (node.op != NodeOp::kLinear)
            list.add(wrapper + node.weight, {node.features / node.heads});
        else if (!list.has(wrapper + node.weight))
            list.add(wrapper + node.weight, {node.features, features.at(node.inputs[0])});
        if (!node.bias.empty()) list.add(wrapper + node.bias, {node.features});
    }
    return list;
}

// A network as its configuration describes it, and with the tensors that this names.
struct DescribedNetwork {
    FamilyNetwork described, with_tensors;
};

// Both are the same, and every key is known.
inline DescribedNetwork check_described(const json& config) {
    FamilyNetwork described = build(config);
    const TensorList tensors = tensors_of(described.graph);
    FamilyNetwork with_tensors = build(config, &tensors);
    CHECK(layers_of(with_tensors.graph, 9) == layers_of(described.graph, 9));
    CHECK(with_tensors.obstacles == described.obstacles);
    CHECK(described.unknown_keys.empty());
    return {std::move(described), std::move(with_tensors)};
}

inline Model thin(const FamilyNetwork& network) {
    return linears_and_norms(layers_of(network.graph, 16), false);
}

inline const Layer& row(const Model& model, const std::string& name) {
    for (const Layer& layer : model.layers)
        if (layer.name == name) return layer;
    FAIL("no row " << name);
    return model.layers.front();
}

inline bool mentions(const std::vector<std::string>& lines, const std::string& word) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.find(word) != std::string::npos; });
}

using Strings = std::vector<std::string>;

}  // namespace octile
