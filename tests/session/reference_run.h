// A graph run by the reference: all linears INT8, bit by bit. Keeps what causal attention remembers.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "octile/graph.h"
#include "session/rotary_table.h"
#include "tests/reference/linear.h"
#include "tests/reference/network.h"
#include "tests/session/networks.h"

namespace octile::test {

class ReferenceRun {
  public:
    ReferenceRun(const Graph& graph, const RandomTensors& tensors) : graph_(graph), tensors_(tensors) {}

    using Indices = std::map<std::string, std::vector<std::int32_t>>;

    // Of an f32 input, for all calls.
    void set_values(const std::string& input, std::vector<float> values) { given_[input] = std::move(values); }

    // The values of all nodes.
    std::map<std::string, std::vector<float>> run(const std::vector<std::int32_t>& lengths, const Indices& indices) {
        lengths_ = lengths;
        indices_ = indices;
        past_.resize(std::max(past_.size(), lengths.size()));
        values_ = given_;
        for (const Node& node : graph_.nodes)
            values_[node.name] = value_of(node);
        const bool causal =
            std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [](const Node& node) { return node.causal; });
        for (std::size_t i = 0; causal && i < lengths.size(); ++i)
            past_[i] += static_cast<std::size_t>(lengths[i]);
        return values_;
    }

  private:
    using Values = std::vector<float>;

    std::size_t rows() const {
        std::size_t sum = 0;
        for (const std::int32_t length : lengths_)
            sum += static_cast<std::size_t>(length);
        return sum;
    }

    Values value_of(const Node& node) {
        const auto input = [&](std::size_t i) -> const Values& { return values_.at(node.inputs[i]); };
        const auto features = static_cast<std::size_t>(node.features);
        Values y;
        const auto by_row = [&](const Values& x, std::size_t columns, auto row_value) {
            for (std::size_t at = 0; at < x.size(); at += columns) {
                const Values row = row_value(std::span(x).subspan(at, columns));
                y.insert(y.end(), row.begin(), row.end());
            }
        };
        const auto elementwise = [&](auto value) {
            for (std::size_t i = 0; i < input(0).size(); ++i)
                y.push_back(value(i));
        };
        switch (node.op) {
            case NodeOp::kEmbedding:
                return embed(node);
            case NodeOp::kLinear: {
                const Values& w = tensors_.values(node.weight);
                const std::size_t k = w.size() / features;
                return reference::linear_s8(input(0), w, node.bias.empty() ? Values{} : tensors_.values(node.bias),
                                            input(0).size() / k, k, features, Activation::kNone);
            }
            case NodeOp::kLayerNorm:
            case NodeOp::kRmsNorm: {
                const Values bias = node.bias.empty() ? Values{} : tensors_.values(node.bias);
                by_row(input(0), features / static_cast<std::size_t>(node.heads), [&](std::span<const float> row) {
                    return reference::norm(row, tensors_.values(node.weight), bias, static_cast<float>(node.epsilon));
                });
                return y;
            }
            case NodeOp::kActivation:
                elementwise([&](std::size_t i) { return reference::activate(node.activation, input(0)[i]); });
                return y;
            case NodeOp::kAdd:
                elementwise([&](std::size_t i) { return input(0)[i] + input(1)[i]; });
                return y;
            case NodeOp::kGate:
                elementwise(
                    [&](std::size_t i) { return reference::activate(node.activation, input(0)[i]) * input(1)[i]; });
                return y;
            case NodeOp::kAttention:
                return attend(node);
            case NodeOp::kPool:
                return pool(node, input(0));
            case NodeOp::kNormalize:
                by_row(input(0), features, [&](std::span<const float> row) {
                    return reference::normalize(row, static_cast<float>(node.epsilon));
                });
                return y;
            case NodeOp::kTanh:
                elementwise(
                    [&](std::size_t i) { return static_cast<float>(std::tanh(static_cast<double>(input(0)[i]))); });
                return y;
            case NodeOp::kSlice:
                by_row(input(0), columns_of(node.inputs[0]), [&](std::span<const float> row) {
                    const auto part = row.subspan(static_cast<std::size_t>(node.first), features);
                    return Values(part.begin(), part.end());
                });
                return y;
            case NodeOp::kConcat: {
                const std::size_t rows = input(0).size() / columns_of(node.inputs[0]);
                for (std::size_t row = 0; row < rows; ++row) {
                    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
                        const std::size_t columns = input(i).size() / rows;
                        const auto begin = input(i).begin() + static_cast<std::ptrdiff_t>(row * columns);
                        y.insert(y.end(), begin, begin + static_cast<std::ptrdiff_t>(columns));
                    }
                }
                return y;
            }
            case NodeOp::kOther:  // no session runs it
                break;
        }
        return y;
    }

    std::size_t columns_of(const std::string& name) const {
        for (const Node& node : graph_.nodes)
            if (node.name == name) return static_cast<std::size_t>(node.features);
        for (const GraphInput& input : graph_.inputs)
            if (input.name == name) return static_cast<std::size_t>(input.features);
        return 0;
    }

    // What is added to the scores of `count` keys; empty: the node has nothing to add.
    std::vector<float> bias_of(const Node& node, std::size_t head, std::size_t query, std::size_t count) const {
        std::vector<float> bias;
        if (!node.window && !node.distance_bias) return bias;
        for (std::size_t key = 0; key < count; ++key) {
            const std::int64_t distance = static_cast<std::int64_t>(key) - static_cast<std::int64_t>(query);
            float value = 0;
            if (node.distance_bias) {
                const std::vector<float>& table = tensors_.values(node.distance_bias->tensor);
                const std::int64_t bucket =
                    reference::distance_bucket(node.distance_bias->buckets, node.distance_bias->max_distance, distance);
                value = table[static_cast<std::size_t>(bucket * node.heads) + head];
            }
            if (node.window && std::abs(distance) > *node.window) value = -std::numeric_limits<float>::infinity();
            bias.push_back(value);
        }
        return bias;
    }

    Values embed(const Node& node) const {
        const auto features = static_cast<std::size_t>(node.features);
        Values y(rows() * features);
        for (std::size_t i = 0; i < node.tables.size(); ++i) {
            const EmbeddingTable& table = node.tables[i];
            const Values& rows_of_table = tensors_.values(table.tensor);
            std::size_t row = 0;
            for (std::size_t sequence = 0; sequence < lengths_.size(); ++sequence) {
                for (std::size_t t = 0; t < static_cast<std::size_t>(lengths_[sequence]); ++t, ++row) {
                    std::size_t index = past_[sequence] + t;
                    if (!table.index.empty())
                        index = indices_.contains(table.index) ? static_cast<std::size_t>(indices_.at(table.index)[row])
                                                               : 0;
                    index += static_cast<std::size_t>(table.offset);
                    for (std::size_t k = 0; k < features; ++k) {
                        const float value = rows_of_table[index * features + k];
                        float& sum = y[row * features + k];
                        sum = i == 0 ? value : sum + value;
                    }
                }
            }
        }
        return y;
    }

    Values attend(const Node& node) {
        const auto heads = static_cast<std::size_t>(node.heads), key_heads = static_cast<std::size_t>(node.key_heads),
                   features = static_cast<std::size_t>(node.features), head = features / heads,
                   key_features = key_heads * head;
        const Values &queries = values_.at(node.inputs[0]), &keys = values_.at(node.inputs[1]),
                     &values = values_.at(node.inputs[2]);
        Values y;
        std::size_t first = 0;
        memory_.resize(std::max(memory_.size(), lengths_.size()));
        for (std::size_t sequence = 0; sequence < lengths_.size(); ++sequence) {
            const auto tokens = static_cast<std::size_t>(lengths_[sequence]);
            auto& [old_keys, old_values] = memory_[sequence][node.name];
            if (!node.causal || past_[sequence] == 0) {
                old_keys.clear();
                old_values.clear();
            }
            const std::size_t past = node.causal ? past_[sequence] : 0;
            const auto rotated = [&](const Values& x, std::size_t count) {
                Values part(x.begin() + static_cast<std::ptrdiff_t>(first * count * head),
                            x.begin() + static_cast<std::ptrdiff_t>((first + tokens) * count * head));
                if (!node.rotary) return part;
                const RotaryTable table = make_rotary_table(*node.rotary, static_cast<std::int64_t>(head),
                                                            static_cast<std::int64_t>(past + tokens));
                for (std::size_t i = 0; i < tokens * count; ++i) {
                    const std::size_t position = past + i / count;
                    reference::rotate_half(std::span(part).subspan(i * head, head), [&](std::size_t pair) {
                        const std::size_t at = position * head / 2 + pair;
                        return reference::Angle{table.cos[at], table.sin[at]};
                    });
                }
                return part;
            };
            const Values q = rotated(queries, heads), k = rotated(keys, key_heads);
            old_keys.insert(old_keys.end(), k.begin(), k.end());
            const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first * key_features);
            old_values.insert(old_values.end(), begin, begin + static_cast<std::ptrdiff_t>(tokens * key_features));
            for (std::size_t t = 0; t < tokens; ++t) {
                for (std::size_t h = 0; h < heads; ++h) {
                    const std::size_t at = h / (heads / key_heads) * head;
                    const Values row =
                        reference::attend(std::span(q).subspan((t * heads + h) * head, head), old_keys.data() + at,
                                          old_values.data() + at, key_features, node.causal ? past + t + 1 : tokens,
                                          static_cast<float>(node.scale),
                                          bias_of(node, h, past + t, node.causal ? past + t + 1 : tokens));
                    y.insert(y.end(), row.begin(), row.end());
                }
            }
            first += tokens;
        }
        return y;
    }

    Values pool(const Node& node, const Values& x) const {
        const auto features = static_cast<std::size_t>(node.features);
        Values y;
        std::size_t first = 0;
        for (const std::int32_t length : lengths_) {
            const auto count = static_cast<std::size_t>(length);
            std::span<const float> part = std::span(x).subspan(first * features, count * features);
            Values row;
            switch (node.pooling) {
                case Pooling::kMean:
                    row = reference::mean_of_rows(part, features);
                    break;
                case Pooling::kFirst:
                case Pooling::kLast:
                    part = part.subspan(node.pooling == Pooling::kFirst ? 0 : (count - 1) * features, features);
                    row.assign(part.begin(), part.end());
                    break;
                case Pooling::kMax:
                    row = reference::largest_of_rows(part, features);
                    break;
                case Pooling::kMeanSqrtLength:
                    row = reference::weighted_sum(
                        part, features, [](std::size_t) { return 1.0f; }, std::sqrt(static_cast<float>(length)));
                    break;
                case Pooling::kWeightedMean:
                    row = reference::weighted_sum(
                        part, features, [](std::size_t i) { return static_cast<float>(i + 1); },
                        static_cast<float>(length) * static_cast<float>(length + 1) / 2);
                    break;
            }
            y.insert(y.end(), row.begin(), row.end());
            first += count;
        }
        return y;
    }

    const Graph& graph_;
    const RandomTensors& tensors_;
    std::vector<std::int32_t> lengths_;
    Indices indices_;
    std::vector<std::size_t> past_;
    std::map<std::string, Values> given_, values_;
    std::vector<std::map<std::string, std::pair<Values, Values>>> memory_;  // of each sequence and node
};

}  // namespace octile::test
