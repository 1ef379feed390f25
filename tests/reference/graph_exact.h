// A graph's nodes in double, with a bound for how far off f32, INT8 and FP16 may be: each node from the values that
// were seen of its inputs. Where a value was not seen, because it was fused away, it is computed, and its bound carried
// on. The bounds are derived here and in docs/quantization.md, not fitted.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "octile/graph.h"
#include "tests/reference/activation.h"
#include "tests/reference/half.h"
#include "tests/reference/linear.h"
#include "tests/reference/network.h"
#include "tests/reference/tolerance.h"

namespace octile::reference {

// Row-major [rows, columns].
struct Bounded {
    std::vector<double> value, error;

    std::size_t size() const { return value.size(); }
    void add(double v, double e) {
        value.push_back(v);
        error.push_back(e);
    }
};

class ExactGraph {
  public:
    // All elements of a tensor, exactly.
    using Tensors = std::function<std::vector<float>(const std::string& name)>;
    using Seen = std::map<std::string, std::vector<float>>;
    using Indices = std::map<std::string, std::vector<std::int32_t>>;

    ExactGraph(const Graph& graph, const Plan& plan, Tensors tensors, Fp16Arithmetic fp16)
        : graph_(graph), tensors_(std::move(tensors)), fp16_(fp16) {
        for (const Node& node : graph.nodes)
            nodes_[node.name] = &node;
        for (const PlannedLayer& layer : plan.layers)
            precision_[layer.layer.name] = layer.precision;
    }

    // One call: what every node seen should have been, for visit(node, seen, exact).
    template <typename Visit>
    void check(const std::vector<std::int32_t>& lengths, const Indices& indices, const Seen& seen, Visit visit) {
        lengths_ = lengths;
        indices_ = &indices;
        seen_ = &seen;
        past_.resize(std::max(past_.size(), lengths.size()));
        memory_.resize(past_.size());
        bool causal = false;
        for (const Node& node : graph_.nodes) {
            causal = causal || node.causal;
            const auto found = seen.find(node.name);
            if (found != seen.end()) visit(node, found->second, compute(node));
        }
        for (std::size_t i = 0; causal && i < lengths.size(); ++i)
            past_[i] += static_cast<std::size_t>(lengths[i]);
    }

  private:
    static constexpr double u = f32_unit;

    Bounded value_of(const std::string& name) {
        const auto found = seen_->find(name);
        if (found == seen_->end()) return compute(*nodes_.at(name));
        Bounded exact;
        for (const float value : found->second)
            exact.add(value, 0);
        return exact;
    }

    Bounded compute(const Node& node) {
        switch (node.op) {
            case NodeOp::kEmbedding:
                return embed(node);
            case NodeOp::kLinear:
                return linear(node);
            case NodeOp::kLayerNorm:
            case NodeOp::kRmsNorm:
                return norm(node);
            case NodeOp::kActivation:
                return activated(node.activation, value_of(node.inputs[0]));
            case NodeOp::kAdd: {
                Bounded a = value_of(node.inputs[0]);
                const Bounded b = value_of(node.inputs[1]);
                for (std::size_t i = 0; i < a.size(); ++i) {
                    a.value[i] += b.value[i];
                    a.error[i] += b.error[i] + u * (std::abs(a.value[i]) + a.error[i] + b.error[i]);
                }
                return a;
            }
            case NodeOp::kGate: {
                Bounded a = activated(node.activation, value_of(node.inputs[0]));
                const Bounded b = value_of(node.inputs[1]);
                for (std::size_t i = 0; i < a.size(); ++i) {
                    const double product = a.value[i] * b.value[i];
                    const double error =
                        a.error[i] * std::abs(b.value[i]) + b.error[i] * std::abs(a.value[i]) + a.error[i] * b.error[i];
                    a.value[i] = product;
                    a.error[i] = error + u * (std::abs(product) + error);
                }
                return a;
            }
            case NodeOp::kAttention:
                return attention(node);
            case NodeOp::kPool:
                return pool(node);
            case NodeOp::kNormalize:
                return normalize(node);
            case NodeOp::kTanh: {
                Bounded a = value_of(node.inputs[0]);
                for (std::size_t i = 0; i < a.size(); ++i) {
                    // No slope is steeper than 1.
                    a.value[i] = std::tanh(a.value[i]);
                    a.error[i] += 2 * u * std::abs(a.value[i]);
                }
                return a;
            }
            case NodeOp::kSlice:
            case NodeOp::kConcat:
                return columns(node);
            case NodeOp::kOther:  // no session runs it
                break;
        }
        return {};
    }

    // Rows of a slice, or of several values side by side.
    Bounded columns(const Node& node) {
        std::vector<Bounded> parts;
        std::vector<std::size_t> widths;
        for (const std::string& input : node.inputs) {
            parts.push_back(value_of(input));
            widths.push_back(static_cast<std::size_t>(nodes_.at(input)->features));
        }
        const bool slice = node.op == NodeOp::kSlice;
        const std::size_t rows = parts[0].size() / widths[0];
        Bounded y;
        for (std::size_t row = 0; row < rows; ++row) {
            for (std::size_t part = 0; part < parts.size(); ++part) {
                const std::size_t first = slice ? static_cast<std::size_t>(node.first) : 0,
                                  count = slice ? static_cast<std::size_t>(node.features) : widths[part];
                for (std::size_t i = 0; i < count; ++i) {
                    const std::size_t at = row * widths[part] + first + i;
                    y.add(parts[part].value[at], parts[part].error[at]);
                }
            }
        }
        return y;
    }

    static Bounded activated(Activation activation, Bounded x) {
        if (activation == Activation::kNone) return x;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double y = exact::activate(activation, x.value[i]);
            // No slope is steeper than 1.5.
            x.error[i] = 1.5 * x.error[i] + activation_tolerance(std::abs(y) + 1.5 * x.error[i]);
            x.value[i] = y;
        }
        return x;
    }

    Bounded embed(const Node& node) const {
        const auto columns = static_cast<std::size_t>(node.features);
        Bounded y;
        for (std::size_t i = 0; i < node.tables.size(); ++i) {
            const EmbeddingTable& table = node.tables[i];
            const std::vector<float> rows = tensors_(table.tensor);
            const auto given = indices_->find(table.index);
            std::size_t row = 0;
            for (std::size_t sequence = 0; sequence < lengths_.size(); ++sequence) {
                for (std::size_t t = 0; t < static_cast<std::size_t>(lengths_[sequence]); ++t, ++row) {
                    std::size_t index = table.index.empty()        ? past_[sequence] + t
                                        : given == indices_->end() ? 0
                                                                   : static_cast<std::size_t>(given->second[row]);
                    index += static_cast<std::size_t>(table.offset);
                    for (std::size_t k = 0; k < columns; ++k) {
                        const double value = rows[index * columns + k];
                        if (i == 0) {
                            y.add(value, 0);
                            continue;
                        }
                        const std::size_t at = row * columns + k;
                        y.value[at] += value;
                        y.error[at] += u * (std::abs(y.value[at]) + y.error[at]);
                    }
                }
            }
        }
        return y;
    }

    // INT8: each operand is off by at most half of what a level is worth, absmax / 127 of its row (and a little, for
    // the roundings of the scale); FP16: tolerance.h. `error` of x counts as it is.
    Bounded linear(const Node& node) {
        const Bounded x = value_of(node.inputs[0]);
        const auto n = static_cast<std::size_t>(node.features);
        const std::vector<float> w = tensors_(node.weight);
        const std::vector<float> bias = node.bias.empty() ? std::vector<float>(n) : tensors_(node.bias);
        const std::size_t k = w.size() / n, m = x.size() / k;
        const bool int8 = precision_.at(node.name) == Precision::kInt8;
        std::vector<double> step_w(n), step_x(m);
        for (std::size_t row = 0; row < n; ++row)
            step_w[row] = half_step(w.data() + row * k, k);
        for (std::size_t row = 0; row < m; ++row)
            step_x[row] = half_step(x.value.data() + row * k, k);
        Bounded y;
        y.value.resize(m * n);
        y.error.resize(m * n);
        for (std::size_t column = 0; column < n; ++column) {
            for (std::size_t row = 0; row < m; ++row) {
                const double *xs = x.value.data() + row * k, *errors = x.error.data() + row * k;
                const float* ws = w.data() + column * k;
                ExactOutput sum;
                double size_x = 0, size_w = 0, carried = 0, chunk = 0;
                for (std::size_t i = 0; i < k; ++i) {
                    const double weight = ws[i], product = xs[i] * weight;
                    sum.value += product;
                    sum.magnitude += std::abs(product);
                    size_x += std::abs(xs[i]);
                    size_w += std::abs(weight);
                    carried += errors[i] * std::abs(weight);
                    chunk = i % f16_chunk == 0 ? std::abs(product) : chunk + std::abs(product);
                    sum.largest_chunk = std::max(sum.largest_chunk, chunk);
                }
                double error = carried;
                if (int8) {
                    error += size_x * step_w[column] + size_w * step_x[row] +
                             static_cast<double>(k) * step_w[column] * step_x[row];
                } else {
                    // Both operands rounded to f16, then as the page has it.
                    const double rounded = 2 * f16_unit * (1 + f16_unit) * sum.magnitude +
                                           f16_underflow * (size_x + size_w + static_cast<double>(k));
                    sum.magnitude += rounded;
                    sum.largest_chunk += rounded;
                    error += rounded + accumulator_tolerance(sum, k, fp16_);
                }
                const double z = sum.value + static_cast<double>(bias[column]);
                // The sum to f32, the product of the scales, their product, the bias.
                y.error[row * n + column] = error + 4 * u * (std::abs(sum.value) + std::abs(z) + 2 * error);
                y.value[row * n + column] = z;
            }
        }
        return y;
    }

    template <typename Element>
    static double half_step(const Element* row, std::size_t count) {
        double largest = 1e-8;
        for (std::size_t i = 0; i < count; ++i)
            largest = std::max(largest, std::abs(static_cast<double>(row[i])));
        return largest / 127 * (0.5 + 0x1p-15);
    }

    // Sums in lanes of K terms are off by at most (K / 16 + 5) u of the sum of magnitudes. With `unit` for a little
    // more: the mean by unit * mean |v|; the square root's relative error by half of the variance's.
    Bounded norm(const Node& node) {
        const Bounded x = value_of(node.inputs[0]);
        const std::vector<float> weight = tensors_(node.weight);
        const std::vector<float> bias = node.bias.empty() ? std::vector<float>(weight.size()) : tensors_(node.bias);
        const bool rms = node.op == NodeOp::kRmsNorm;
        const std::size_t k = weight.size();
        const double count = static_cast<double>(k), unit = (count / 16 + 8) * u;
        Bounded y;
        for (std::size_t begin = 0; begin < x.size(); begin += k) {
            double sum = 0, size = 0, squares = 0, distance = 0;
            for (std::size_t i = 0; i < k; ++i) {
                sum += x.value[begin + i];
                size += std::abs(x.value[begin + i]) / count;
            }
            const double mean = rms ? 0 : sum / count;
            for (std::size_t i = 0; i < k; ++i) {
                const double d = x.value[begin + i] - mean;
                squares += d * d / count;
                distance += std::abs(d) / count;
            }
            const double variance = squares + node.epsilon, inverse = 1 / std::sqrt(variance);
            const double off = rms ? 0 : unit * size;  // of the mean
            const double relative = unit + (2 * distance * off + off * off + 2 * u * squares) / variance + 4 * u;
            for (std::size_t i = 0; i < k; ++i) {
                const double d = x.value[begin + i] - mean, w = weight[i], scaled = d * inverse * w;
                const double error = std::abs(w) * inverse * (off + u * std::abs(d)) * (1 + relative) +
                                     std::abs(scaled) * (relative + 4 * u);
                const double value = scaled + static_cast<double>(bias[i]);
                y.add(value, error + u * (std::abs(value) + error));
            }
        }
        return y;
    }

    // One head of rows, turned if the node says so: values and how far off their turn may be.
    void turn(const Node& node, std::vector<double>& x, std::vector<double>& error, std::size_t row,
              std::size_t columns, std::size_t head, std::size_t position) const {
        const std::size_t half = head / 2;
        for (std::size_t begin = row * columns; begin < (row + 1) * columns; begin += head) {
            for (std::size_t i = 0; i < half; ++i) {
                const double angle = static_cast<double>(position) * frequency(*node.rotary, i, half);
                double &low = x[begin + i], &high = x[begin + i + half];
                const double c = std::cos(angle), s = std::sin(angle), l = low * c - high * s, h = high * c + low * s;
                // The tables' rounding, two products and a sum.
                const double off = 4 * u * (std::abs(low) + std::abs(high));
                error[begin + i] += off;
                error[begin + i + half] += off;
                low = l;
                high = h;
            }
        }
    }

    static double frequency(const Rotary& rotary, std::size_t pair, std::size_t half) {
        const double plain = std::pow(rotary.theta, -static_cast<double>(pair) / static_cast<double>(half));
        if (!rotary.scaling) return plain;
        const RotaryScaling& s = *rotary.scaling;
        const double wavelength = 6.283185307179586 / plain, context = static_cast<double>(s.original_context);
        if (wavelength >= context / s.low_frequency) return plain / s.factor;
        if (wavelength <= context / s.high_frequency) return plain;
        const double smooth = (context / wavelength - s.low_frequency) / (s.high_frequency - s.low_frequency);
        return (1 - smooth) * plain / s.factor + smooth * plain;
    }

    // Scores are off by (D + 2) u of the sum of magnitudes and by what the turns are; that shifts weights by a factor
    // of at most exp(2 * worst), and their sum and the mixed values have a term's roundings for each key.
    Bounded attention(const Node& node) {
        Bounded q = value_of(node.inputs[0]), k = value_of(node.inputs[1]);
        const Bounded v = value_of(node.inputs[2]);
        const auto heads = static_cast<std::size_t>(node.heads), key_heads = static_cast<std::size_t>(node.key_heads),
                   columns = static_cast<std::size_t>(node.features), head = columns / heads,
                   key_columns = head * key_heads;
        Bounded y;
        std::size_t first = 0;
        for (std::size_t sequence = 0; sequence < lengths_.size(); ++sequence) {
            const auto tokens = static_cast<std::size_t>(lengths_[sequence]);
            auto& [keys, values] = memory_[sequence][node.name];
            if (!node.causal || past_[sequence] == 0) keys = values = {};
            const std::size_t past = node.causal ? past_[sequence] : 0;
            for (std::size_t row = first; row < first + tokens; ++row) {
                if (node.rotary) {
                    turn(node, q.value, q.error, row, columns, head, past + row - first);
                    turn(node, k.value, k.error, row, key_columns, head, past + row - first);
                }
                for (std::size_t i = row * key_columns; i < (row + 1) * key_columns; ++i) {
                    keys.add(k.value[i], k.error[i]);
                    values.add(v.value[i], v.error[i]);
                }
            }
            for (std::size_t t = 0; t < tokens; ++t) {
                const std::size_t count = node.causal ? past + t + 1 : tokens;
                for (std::size_t h = 0; h < heads; ++h)
                    mix(q, (first + t) * columns + h * head, keys, values, h / (heads / key_heads) * head, key_columns,
                        head, biases(node, h, past + t, count), node.scale, y);
            }
            first += tokens;
        }
        return y;
    }

    // What is added to the scores of so many keys; -infinity: the key is not seen.
    std::vector<double> biases(const Node& node, std::size_t head, std::size_t query, std::size_t count) const {
        std::vector<double> bias(count);
        const std::vector<float> table =
            node.distance_bias ? tensors_(node.distance_bias->tensor) : std::vector<float>();
        for (std::size_t key = 0; key < count; ++key) {
            const std::int64_t distance = static_cast<std::int64_t>(key) - static_cast<std::int64_t>(query);
            if (node.distance_bias) {
                const auto& [tensor, buckets, most] = *node.distance_bias;
                bias[key] = static_cast<double>(
                    table[static_cast<std::size_t>(distance_bucket(buckets, most, distance) * node.heads) + head]);
            }
            if (node.window && std::abs(distance) > *node.window) bias[key] = -INFINITY;
        }
        return bias;
    }

    static void mix(const Bounded& q, std::size_t at, const Bounded& keys, const Bounded& values, std::size_t offset,
                    std::size_t stride, std::size_t head, const std::vector<double>& bias, double scale, Bounded& y) {
        const std::size_t count = bias.size();
        std::vector<double> weights(count);
        double peak = -INFINITY, worst = 0, total = 0;
        for (std::size_t j = 0; j < count; ++j) {
            double score = 0, size = 0, carried = 0;
            for (std::size_t d = 0; d < head; ++d) {
                const std::size_t key = j * stride + offset + d;
                const double a = q.value[at + d], b = keys.value[key];
                score += a * b;
                size += std::abs(a * b);
                carried += q.error[at + d] * (std::abs(b) + keys.error[key]) + std::abs(a) * keys.error[key];
            }
            weights[j] = score * scale + bias[j];
            peak = std::max(peak, weights[j]);
            if (weights[j] == -INFINITY) continue;
            // The sum with the bias is rounded once more.
            worst = std::max(worst, (carried + static_cast<double>(head + 3) * u * (size + carried)) * scale +
                                        u * std::abs(weights[j]));
        }
        for (double& weight : weights) {
            if (weight == -INFINITY) {
                weight = 0;
                continue;
            }
            // The difference to the peak is rounded too.
            worst = std::max(worst, u * std::abs(weight - peak));
            weight = std::exp(weight - peak);
            total += weight;
        }
        const double terms = static_cast<double>(count);
        const double relative = std::expm1(6 * worst) + (1.1 * terms + 40) * u;
        for (std::size_t d = 0; d < head; ++d) {
            double sum = 0, size = 0, carried = 0;
            for (std::size_t j = 0; j < count; ++j) {
                const std::size_t value = j * stride + offset + d;
                sum += weights[j] / total * values.value[value];
                size += weights[j] / total * std::abs(values.value[value]);
                carried += weights[j] / total * values.error[value];
            }
            // exp(-87) in place of less.
            y.add(sum, (size + carried) * relative + carried + terms * 2e-38);
        }
    }

    Bounded pool(const Node& node) {
        const Bounded x = value_of(node.inputs[0]);
        const auto columns = static_cast<std::size_t>(node.features);
        Bounded y;
        std::size_t first = 0;
        for (const std::int32_t length : lengths_) {
            const auto rows = static_cast<std::size_t>(length);
            const double count = length;
            for (std::size_t k = 0; k < columns; ++k) {
                if (node.pooling == Pooling::kFirst || node.pooling == Pooling::kLast) {
                    const std::size_t row = first + (node.pooling == Pooling::kFirst ? 0 : rows - 1);
                    y.add(x.value[row * columns + k], x.error[row * columns + k]);
                    continue;
                }
                double sum = 0, size = 0, carried = 0, largest = -INFINITY, worst = 0;
                for (std::size_t i = 0; i < rows; ++i) {
                    const std::size_t at = (first + i) * columns + k;
                    const double weight = node.pooling == Pooling::kMean ? 1 / count
                                          : node.pooling == Pooling::kMeanSqrtLength
                                              ? 1 / std::sqrt(count)
                                              : 2 * static_cast<double>(i + 1) / (count * (count + 1));
                    sum += x.value[at] * weight;
                    size += std::abs(x.value[at]) * weight;
                    carried += x.error[at] * weight;
                    largest = std::max(largest, x.value[at]);
                    worst = std::max(worst, x.error[at]);
                }
                if (node.pooling == Pooling::kMax)
                    y.add(largest, worst);
                else  // a product and a sum of each row, the divisor and the division
                    y.add(sum, carried + (count + 6) * u * (size + carried));
            }
            first += rows;
        }
        return y;
    }

    Bounded normalize(const Node& node) {
        const Bounded x = value_of(node.inputs[0]);
        const auto columns = static_cast<std::size_t>(node.features);
        Bounded y;
        for (std::size_t begin = 0; begin < x.size(); begin += columns) {
            double squares = 0;
            for (std::size_t i = begin; i < begin + columns; ++i)
                squares += x.value[i] * x.value[i];
            const double length = std::max(std::sqrt(squares), node.epsilon);
            const double relative = (static_cast<double>(columns) / 16 + 10) * u;
            for (std::size_t i = begin; i < begin + columns; ++i)
                y.add(x.value[i] / length, std::abs(x.value[i] / length) * relative);
        }
        return y;
    }

    const Graph& graph_;
    Tensors tensors_;
    Fp16Arithmetic fp16_;
    std::map<std::string, const Node*> nodes_;
    std::map<std::string, Precision> precision_;
    std::vector<std::int32_t> lengths_;
    const Indices* indices_ = nullptr;
    const Seen* seen_ = nullptr;
    std::vector<std::size_t> past_;
    std::vector<std::map<std::string, std::pair<Bounded, Bounded>>> memory_;  // keys and values of a sequence
};

}  // namespace octile::reference
