#include <cmath>

#include "octile/graph.h"

namespace octile {

std::int64_t GraphBuilder::features_of(const std::string& name) const {
    const auto found = features_.find(name);
    return found == features_.end() ? 1 : found->second;
}

std::string GraphBuilder::append(Node node) {
    std::string name = node.name;
    features_[name] = node.features;
    graph_.nodes.push_back(std::move(node));
    return name;
}

std::string GraphBuilder::indices(std::string name, bool optional) {
    graph_.inputs.push_back({name, 0, optional});
    return name;
}

std::string GraphBuilder::values(std::string name, std::int64_t features, const Rows& rows) {
    graph_.inputs.push_back({name, features, false, rows});
    features_[name] = features;
    return name;
}

std::string GraphBuilder::embedding(std::string name, std::int64_t features, std::vector<EmbeddingTable> tables) {
    return append(
        {.name = std::move(name), .op = NodeOp::kEmbedding, .features = features, .tables = std::move(tables)});
}

std::string GraphBuilder::linear(std::string name, const std::string& x, std::int64_t features, bool bias) {
    return append({.name = name,
                   .op = NodeOp::kLinear,
                   .inputs = {x},
                   .features = features,
                   .weight = name + ".weight",
                   .bias = bias ? name + ".bias" : ""});
}

std::string GraphBuilder::layer_norm(std::string name, const std::string& x, double epsilon) {
    return append({.name = name,
                   .op = NodeOp::kLayerNorm,
                   .inputs = {x},
                   .features = features_of(x),
                   .weight = name + ".weight",
                   .bias = name + ".bias",
                   .epsilon = epsilon});
}

std::string GraphBuilder::rms_norm(std::string name, const std::string& x, double epsilon, std::int64_t heads) {
    return append({.name = name,
                   .op = NodeOp::kRmsNorm,
                   .inputs = {x},
                   .features = features_of(x),
                   .weight = name + ".weight",
                   .epsilon = epsilon,
                   .heads = heads});
}

std::string GraphBuilder::activation(std::string name, const std::string& x, Activation activation) {
    return append({.name = std::move(name),
                   .op = NodeOp::kActivation,
                   .inputs = {x},
                   .features = features_of(x),
                   .activation = activation});
}

std::string GraphBuilder::add(std::string name, const std::string& a, const std::string& b) {
    return append({.name = std::move(name), .op = NodeOp::kAdd, .inputs = {a, b}, .features = features_of(a)});
}

std::string GraphBuilder::gate(std::string name, const std::string& gate, const std::string& up,
                               Activation activation) {
    return append({.name = std::move(name),
                   .op = NodeOp::kGate,
                   .inputs = {gate, up},
                   .features = features_of(up),
                   .activation = activation});
}

std::string GraphBuilder::attention(std::string name, const std::string& queries, const std::string& keys,
                                    const std::string& values, const Attention& options) {
    const std::int64_t features = features_of(queries), heads = options.heads < 1 ? 1 : options.heads;
    const double scale = options.scale != 0 ? options.scale : 1 / std::sqrt(static_cast<double>(features / heads));
    return append({.name = std::move(name),
                   .op = NodeOp::kAttention,
                   .inputs = {queries, keys, values},
                   .features = features,
                   .heads = options.heads,
                   .key_heads = options.key_heads == 0 ? options.heads : options.key_heads,
                   .causal = options.causal,
                   .scale = scale,
                   .rotary = options.rotary,
                   .window = options.window,
                   .distance_bias = options.distance_bias});
}

std::string GraphBuilder::pool(std::string name, const std::string& x, Pooling pooling) {
    return append(
        {.name = std::move(name), .op = NodeOp::kPool, .inputs = {x}, .features = features_of(x), .pooling = pooling});
}

std::string GraphBuilder::other(std::string name, std::string what, std::vector<std::string> inputs,
                                std::int64_t features, std::optional<Rows> rows) {
    return append({.name = std::move(name),
                   .op = NodeOp::kOther,
                   .inputs = std::move(inputs),
                   .features = features,
                   .what = std::move(what),
                   .rows = rows});
}

std::string GraphBuilder::normalize(std::string name, const std::string& x, double epsilon) {
    return append({.name = std::move(name),
                   .op = NodeOp::kNormalize,
                   .inputs = {x},
                   .features = features_of(x),
                   .epsilon = epsilon});
}

std::string GraphBuilder::tanh(std::string name, const std::string& x) {
    return append({.name = std::move(name), .op = NodeOp::kTanh, .inputs = {x}, .features = features_of(x)});
}

std::string GraphBuilder::slice(std::string name, const std::string& x, std::int64_t first, std::int64_t features) {
    return append({.name = std::move(name), .op = NodeOp::kSlice, .inputs = {x}, .features = features, .first = first});
}

std::string GraphBuilder::concat(std::string name, const std::vector<std::string>& inputs) {
    std::int64_t features = 0;
    for (const std::string& input : inputs)
        features += features_of(input);
    return append({.name = std::move(name), .op = NodeOp::kConcat, .inputs = inputs, .features = features});
}

Result<Graph> GraphBuilder::finish(std::vector<std::string> outputs) && {
    graph_.outputs = std::move(outputs);
    if (Status status = validate(graph_); !status.ok()) return status;
    return std::move(graph_);
}

}  // namespace octile
