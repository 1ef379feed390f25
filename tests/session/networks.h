// Small networks of the two kinds that a session runs, with random tensors.
#pragma once

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "octile/graph.h"
#include "octile/planner.h"
#include "tests/support/seed.h"

namespace octile::test {

inline constexpr double kEpsilon = 1e-6;

struct EncoderSizes {
    std::int64_t hidden = 48, ffn = 80, heads = 3, blocks = 2, vocabulary = 50, positions = 70;
};

// BERT's blocks, mean pooling and normalization.
inline Graph encoder_graph(const EncoderSizes& sizes) {
    GraphBuilder g("encoder");
    const std::string ids = g.indices("token_ids"), types = g.indices("token_types", true);
    std::string x =
        g.embedding("embeddings", sizes.hidden,
                    {{"word", ids, sizes.vocabulary}, {"position", "", sizes.positions, 2}, {"type", types, 2}});
    x = g.layer_norm("embeddings.norm", x, kEpsilon);
    for (std::int64_t block = 0; block < sizes.blocks; block++) {
        const std::string at = "layer." + std::to_string(block) + ".";
        const std::string q = g.linear(at + "query", x, sizes.hidden), k = g.linear(at + "key", x, sizes.hidden),
                          v = g.linear(at + "value", x, sizes.hidden);
        std::string y = g.attention(at + "attention", q, k, v, {.heads = sizes.heads});
        y = g.add(at + "attention.sum", x, g.linear(at + "attention.dense", y, sizes.hidden));
        x = g.layer_norm(at + "attention.norm", y, kEpsilon);
        y = g.activation(at + "ffn.act", g.linear(at + "ffn.in", x, sizes.ffn), Activation::kGelu);
        y = g.add(at + "ffn.sum", x, g.linear(at + "ffn.out", y, sizes.hidden));
        x = g.layer_norm(at + "norm", y, kEpsilon);
    }
    x = g.normalize("embedding", g.pool("pooled", x, Pooling::kMean));
    return std::move(g).finish({x}).value();
}

struct DecoderSizes {
    std::int64_t hidden = 48, ffn = 96, heads = 4, key_heads = 2, head = 16, blocks = 2, vocabulary = 60;
    bool head_norms = true;
};

// Llama's blocks, with Qwen3's norms of heads if asked for, and the logits of each sequence's last token.
inline Graph decoder_graph(const DecoderSizes& sizes) {
    GraphBuilder g("decoder");
    std::string x = g.embedding("tokens", sizes.hidden, {{"tokens.weight", g.indices("token_ids"), sizes.vocabulary}});
    for (std::int64_t block = 0; block < sizes.blocks; block++) {
        const std::string at = "layers." + std::to_string(block) + ".";
        std::string y = g.rms_norm(at + "input_norm", x, kEpsilon);
        std::string q = g.linear(at + "q_proj", y, sizes.heads * sizes.head, false),
                    k = g.linear(at + "k_proj", y, sizes.key_heads * sizes.head, false),
                    v = g.linear(at + "v_proj", y, sizes.key_heads * sizes.head, true);
        if (sizes.head_norms) {
            q = g.rms_norm(at + "q_norm", q, kEpsilon, sizes.heads);
            k = g.rms_norm(at + "k_norm", k, kEpsilon, sizes.key_heads);
        }
        y = g.attention(at + "attention", q, k, v,
                        {.heads = sizes.heads,
                         .key_heads = sizes.key_heads,
                         .causal = true,
                         .rotary = Rotary{500000, RotaryScaling{32, 1, 4, 64}}});
        x = g.add(at + "attention.sum", x, g.linear(at + "o_proj", y, sizes.hidden, false));
        y = g.rms_norm(at + "post_norm", x, kEpsilon);
        const std::string gate = g.linear(at + "gate_proj", y, sizes.ffn, false),
                          up = g.linear(at + "up_proj", y, sizes.ffn, false);
        y = g.gate(at + "gate", gate, up, Activation::kSilu);
        x = g.add(at + "sum", x, g.linear(at + "down_proj", y, sizes.hidden, false));
    }
    x = g.pool("last", g.rms_norm("norm", x, kEpsilon), Pooling::kLast);
    const std::string logits = g.linear("lm_head", x, sizes.vocabulary, false);
    g.last().weight = "tokens.weight";
    return std::move(g).finish({logits}).value();
}

// An encoder of what the first version of graphs has not: heads of a width that no kernel has, queries, keys and values
// cut from one linear, a window, a bias by distance, a block that runs twice, several poolings side by side.
struct ModernSizes {
    std::int64_t hidden = 48, ffn = 56, heads = 4, vocabulary = 50, labels = 3;
};

inline Graph modern_graph(const ModernSizes& sizes = {}) {
    const std::int64_t hidden = sizes.hidden, ffn = sizes.ffn, heads = sizes.heads;
    GraphBuilder g("modern");
    std::string x = g.embedding("embeddings", hidden, {{"word", g.indices("token_ids"), sizes.vocabulary}});
    const auto add_block = [&](const std::string& at, const std::string& weights, const GraphBuilder::Attention& how) {
        const auto linear = [&](const std::string& name, const std::string& from, std::int64_t features) {
            g.linear(at + name, from, features);
            if (at != weights) {
                g.last().weight = weights + name + ".weight";
                g.last().bias = weights + name + ".bias";
                g.last().shared = weights + name;
            }
            return at + name;
        };
        const std::string qkv = linear("qkv", x, 3 * hidden);
        const std::string q = g.slice(at + "q", qkv, 0, hidden), k = g.slice(at + "k", qkv, hidden, hidden),
                          v = g.slice(at + "v", qkv, 2 * hidden, hidden);
        std::string y = linear("dense", g.attention(at + "attention", q, k, v, how), hidden);
        x = g.layer_norm(at + "attention.norm", g.add(at + "attention.sum", x, y), kEpsilon);
        const std::string both = linear("ffn.in", x, 2 * ffn);
        y = g.gate(at + "gate", g.slice(at + "act", both, 0, ffn), g.slice(at + "up", both, ffn, ffn),
                   Activation::kGelu);
        x = g.layer_norm(at + "norm", g.add(at + "sum", x, linear("ffn.out", y, hidden)), kEpsilon);
    };
    const DistanceBias bias{.tensor = "distances", .buckets = 8, .max_distance = 20};
    add_block("layer.0.", "layer.0.", {.heads = heads, .rotary = Rotary{1000}});
    add_block("layer.1.", "layer.1.", {.heads = heads, .rotary = Rotary{100}, .window = 5});
    add_block("layer.2.", "layer.0.", {.heads = heads, .window = 40, .distance_bias = bias});
    add_block("layer.3.", "layer.1.", {.heads = 1, .distance_bias = DistanceBias{.tensor = "far"}});
    const std::string first = g.pool("first", x, Pooling::kFirst), most = g.pool("max", x, Pooling::kMax),
                      root = g.pool("root", x, Pooling::kMeanSqrtLength),
                      weighted = g.pool("weighted", x, Pooling::kWeightedMean);
    x = g.tanh("pooler.tanh", g.linear("pooler", g.concat("pooled", {first, most, root, weighted}), hidden - 8));
    x = g.linear("classifier", x, sizes.labels);
    return std::move(g).finish({x}).value();
}

// Tensors of a graph, each seeded by its name.
class RandomTensors {
  public:
    explicit RandomTensors(const Graph& graph) {
        std::map<std::string, std::int64_t> features;
        for (const GraphInput& input : graph.inputs)
            features[input.name] = input.features;
        for (const Node& node : graph.nodes) {
            features[node.name] = node.features;
            for (const EmbeddingTable& table : node.tables)
                fill(table.tensor, table.rows, node.features, 1, 0);
            if (node.distance_bias) fill(node.distance_bias->tensor, node.distance_bias->buckets, node.heads, 1, 0);
            if (node.op == NodeOp::kLinear) {
                const std::int64_t k = features.at(node.inputs[0]);
                fill(node.weight, node.features, k, 1 / std::sqrt(static_cast<float>(k)), 0);
            } else if (!node.weight.empty()) {
                fill(node.weight, 1, node.features / node.heads, 0.1f, 1);
            }
            if (!node.bias.empty()) fill(node.bias, 1, node.features, 0.1f, 0);
        }
    }

    const std::vector<float>& values(const std::string& name) const { return tensors_.at(name).values; }

    TensorLookup lookup() const {
        return [this](std::string_view name) -> std::optional<TensorSource> {
            const auto found = tensors_.find(std::string(name));
            if (found == tensors_.end()) return std::nullopt;
            const Tensor& tensor = found->second;
            return TensorSource{{tensor.values.data(), DataType::kF32, tensor.rows, tensor.columns, tensor.columns}};
        };
    }

    void erase(const std::string& name) { tensors_.erase(name); }

  private:
    struct Tensor {
        std::int64_t rows, columns;
        std::vector<float> values;
    };

    void fill(const std::string& name, std::int64_t rows, std::int64_t columns, float spread, float centre) {
        if (name.empty() || tensors_.contains(name)) return;
        Random random("tensor " + name);
        Tensor tensor{rows, columns, {}};
        for (std::int64_t i = 0; i < rows * columns; i++)
            tensor.values.push_back(centre + spread * random.normal());
        tensors_.emplace(name, std::move(tensor));
    }

    std::map<std::string, Tensor> tensors_;
};

// Every linear INT8 (least ratio 0), none (infinite), or as the ratio says.
inline Plan plan_of(const Graph& graph, double min_ratio) {
    PlanOptions options;
    options.min_ratio = min_ratio;
    return make_plan(layers_of(graph, 16), options).value();
}

}  // namespace octile::test
