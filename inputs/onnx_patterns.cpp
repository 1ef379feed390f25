#include "inputs/onnx_patterns.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace octile {
namespace {

constexpr std::size_t kMostNodes = 16;  // gelu by tanh, spelled out, has 9

using Values = std::map<std::string, double, std::less<>>;

// What a node computes of scalars; empty for one that is not element by element.
std::optional<double> evaluate(const onnx::NodeProto& node, const std::vector<double>& x) {
    const std::string& op = node.op_type();
    if (x.size() == 1) {
        if (op == "Erf") return std::erf(x[0]);
        if (op == "Tanh") return std::tanh(x[0]);
        if (op == "Sigmoid") return 1 / (1 + std::exp(-x[0]));
        if (op == "Sqrt") return std::sqrt(x[0]);
        if (op == "Exp") return std::exp(x[0]);
        if (op == "Neg") return -x[0];
        if (op == "Relu") return std::max(x[0], 0.0);
        if (op == "Reciprocal") return 1 / x[0];
        if (op == "Cast" || op == "Identity") return x[0];
        if (op == "Gelu" || op == "FastGelu") return 0.5 * x[0] * std::erfc(-x[0] / std::sqrt(2.0));
    }
    if (x.size() == 2) {
        if (op == "Add") return x[0] + x[1];
        if (op == "Sub") return x[0] - x[1];
        if (op == "Mul") return x[0] * x[1];
        if (op == "Div") return x[0] / x[1];
        if (op == "Pow") return std::pow(x[0], x[1]);
        if (op == "Max") return std::max(x[0], x[1]);
    }
    return std::nullopt;
}

// Nodes that work on one value element by element, and what they compute for one number in its place.
struct Region {
    explicit Region(std::string value) : start(std::move(value)) {}

    std::string start;
    std::vector<int> nodes;
    std::set<std::string, std::less<>> values = {start};

    // The node's output joins if all it reads is inside or a scalar.
    bool add(const OnnxGraph& graph, int index) {
        const onnx::NodeProto& node = graph.node(index);
        if (node.output_size() != 1 || node.input_size() < 1 || node.input_size() > 2 ||
            std::find(nodes.begin(), nodes.end(), index) != nodes.end()) {
            return false;
        }
        if (!evaluate(node, std::vector<double>(static_cast<std::size_t>(node.input_size()), 1.0))) return false;
        for (const std::string& input : node.input()) {
            if (!values.contains(input) && !graph.scalar(input)) return false;
        }
        nodes.push_back(index);
        values.insert(node.output(0));
        return true;
    }

    // The one value that is read outside, or not at all. Empty when there are several, or the start is one of them.
    std::optional<std::string> end(const OnnxGraph& graph) const {
        std::optional<std::string> open;
        for (const std::string& value : values) {
            const std::vector<int>& readers = graph.consumers(value);
            const bool inside = !readers.empty() && !graph.is_output(value) &&
                                std::all_of(readers.begin(), readers.end(), [&](int reader) {
                                    return std::find(nodes.begin(), nodes.end(), reader) != nodes.end();
                                });
            if (inside) continue;
            if (open || value == start) return std::nullopt;
            open = value;
        }
        return open;
    }

    double compute(const OnnxGraph& graph, const std::string& end_value, double x) const {
        Values known = {{start, x}};
        for (const int index : nodes) {
            const onnx::NodeProto& node = graph.node(index);
            std::vector<double> operands;
            for (const std::string& input : node.input()) {
                const auto found = known.find(input);
                operands.push_back(found != known.end() ? found->second : graph.scalar(input).value_or(NAN));
            }
            known[node.output(0)] = evaluate(node, operands).value_or(NAN);
        }
        const auto result = known.find(end_value);
        return result == known.end() ? NAN : result->second;
    }
};

std::optional<Activation> recognize(const std::function<double(double)>& function) {
    static constexpr std::array kPoints = {-4.0, -2.0, -1.0, -0.3, 0.0, 0.3, 1.0, 2.0, 4.0};
    static constexpr double kTolerance = 2e-3;  // the tanh form of gelu is within 5e-4 of it
    const auto is = [&](double (*expected)(double)) {
        return std::all_of(kPoints.begin(), kPoints.end(),
                           [&](double x) { return std::fabs(function(x) - expected(x)) < kTolerance; });
    };
    if (is([](double x) { return std::max(x, 0.0); })) return Activation::kRelu;
    if (is([](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); })) return Activation::kGelu;
    if (is([](double x) { return x / (1 + std::exp(-x)); })) return Activation::kSilu;
    return std::nullopt;
}

// The value without the Casts that made it.
std::string_view before_casts(const OnnxGraph& graph, std::string_view value) {
    for (int steps = 0; steps < 4; ++steps) {
        const std::optional<int> made = graph.producer(value);
        if (!made || graph.node(*made).op_type() != "Cast" || graph.node(*made).input_size() != 1) break;
        value = graph.node(*made).input(0);
    }
    return value;
}

// The node that makes a value, Casts aside, if it is of that operator.
const onnx::NodeProto* maker(const OnnxGraph& graph, std::string_view value, std::string_view op) {
    const std::optional<int> made = graph.producer(before_casts(graph, value));
    if (!made || graph.node(*made).op_type() != op || graph.node(*made).input_size() == 0) return nullptr;
    return &graph.node(*made);
}

// Whether a ReduceMean is over the last axis alone. A file may hold any number as an axis, and double holds all that
// could be one.
bool is_over_last_axis(const OnnxGraph& graph, const onnx::NodeProto& mean) {
    std::optional<double> axis;
    if (const onnx::AttributeProto* const axes = find_attribute(mean, "axes")) {
        if (axes->ints_size() == 1) axis = static_cast<double>(axes->ints(0));
    } else if (mean.input_size() == 2) {
        axis = graph.scalar(mean.input(1));
    }
    const std::optional<Shape> shape = graph.shape(mean.input(0));
    return axis && (*axis == -1 || (shape && *axis == static_cast<double>(shape->size()) - 1));
}

// What the root is the mean square of: x of sqrt(mean(x * x) + epsilon), and that epsilon. Empty when it is none.
std::string_view squared_of(const OnnxGraph& graph, std::string_view root, std::optional<double>& epsilon) {
    const onnx::NodeProto* const sqrt = maker(graph, root, "Sqrt");
    const onnx::NodeProto* const sum = sqrt ? maker(graph, sqrt->input(0), "Add") : nullptr;
    if (sum == nullptr || sum->input_size() != 2) return {};
    for (const int side : {0, 1}) {
        const onnx::NodeProto* const mean = maker(graph, sum->input(side), "ReduceMean");
        epsilon = graph.scalar(sum->input(1 - side));
        if (mean == nullptr || !epsilon || !is_over_last_axis(graph, *mean)) continue;
        if (const onnx::NodeProto* const power = maker(graph, mean->input(0), "Pow")) {
            if (power->input_size() == 2 && graph.scalar(power->input(1)) == 2.0)
                return before_casts(graph, power->input(0));
        }
        if (const onnx::NodeProto* const square = maker(graph, mean->input(0), "Mul")) {
            if (square->input_size() == 2 && square->input(0) == square->input(1))
                return before_casts(graph, square->input(0));
        }
    }
    return {};
}

// What a layernorm subtracts its mean from to get `value`; `value` itself where there is no such step (an RMS norm).
std::string_view before_centring(const OnnxGraph& graph, std::string_view value) {
    const onnx::NodeProto* const difference = maker(graph, value, "Sub");
    if (difference == nullptr || difference->input_size() != 2) return value;
    const onnx::NodeProto* const mean = maker(graph, difference->input(1), "ReduceMean");
    if (mean == nullptr || mean->input(0) != difference->input(0)) return value;
    return difference->input(0);
}

// Scale and bias behind a norm over n features.
void follow_affine(const OnnxGraph& graph, std::int64_t n, FoundNorm& norm) {
    for (const std::string_view op : {"Mul", "Add"}) {
        std::string value = norm.output;
        std::optional<int> next = only_consumer(graph, value);
        if (next && graph.node(*next).op_type() == "Cast" && graph.node(*next).output_size() == 1) {
            value = graph.node(*next).output(0);
            next = only_consumer(graph, value);
        }
        if (!next || graph.node(*next).op_type() != op || graph.node(*next).output_size() != 1) continue;
        const std::string_view operand = other_operand(graph.node(*next), value);
        if (!is_vector(graph, operand, n)) continue;
        norm.output = graph.node(*next).output(0);
        if (op == "Mul") norm.scale = operand;
        norm.bias |= op == "Add";
    }
}

std::optional<FoundNorm> find_decomposed_norm(const OnnxGraph& graph, const onnx::NodeProto& node) {
    if (node.input_size() != 2 || node.output_size() != 1) return std::nullopt;
    std::string_view value, squared;
    std::optional<double> epsilon;
    if (node.op_type() == "Div") {
        value = node.input(0);
        squared = squared_of(graph, node.input(1), epsilon);
    } else if (node.op_type() == "Mul") {
        for (const int side : {0, 1}) {
            const onnx::NodeProto* inverse = maker(graph, node.input(side), "Reciprocal");
            std::string_view root = inverse ? std::string_view(inverse->input(0)) : std::string_view();
            if (inverse == nullptr) {
                inverse = maker(graph, node.input(side), "Div");
                if (inverse == nullptr || inverse->input_size() != 2 || graph.scalar(inverse->input(0)) != 1.0)
                    continue;
                root = inverse->input(1);
            }
            value = node.input(1 - side);
            squared = squared_of(graph, root, epsilon);
        }
    }
    if (squared.empty() || before_casts(graph, value) != squared) return std::nullopt;
    FoundNorm norm;
    norm.input = before_casts(graph, before_centring(graph, squared));
    norm.output = node.output(0);
    norm.epsilon = epsilon;
    return norm;
}

}  // namespace

std::string_view other_operand(const onnx::NodeProto& node, std::string_view value) {
    if (node.input_size() != 2) return {};
    return node.input(0) == value ? node.input(1) : node.input(0);
}

std::optional<int> only_consumer(const OnnxGraph& graph, const std::string& value) {
    const std::vector<int>& readers = graph.consumers(value);
    if (readers.size() != 1 || graph.is_output(value)) return std::nullopt;
    return readers.front();
}

bool is_vector(const OnnxGraph& graph, std::string_view value, std::int64_t n) {
    if (value.empty() || graph.constant(value) == nullptr) return false;
    const std::optional<Shape> shape = graph.shape(value);
    return shape && !shape->empty() && shape->back() == n &&
           std::all_of(shape->begin(), shape->end() - 1, [](std::int64_t extent) { return extent == 1; });
}

std::optional<FoundActivation> find_activation(const OnnxGraph& graph, const std::string& value) {
    Region region(value);
    for (bool grown = true; grown && region.nodes.size() < kMostNodes;) {
        grown = false;
        const std::vector<std::string> values(region.values.begin(), region.values.end());
        for (const std::string& inside : values) {
            for (const int reader : graph.consumers(inside)) {
                if (region.nodes.size() >= kMostNodes || !region.add(graph, reader)) continue;
                grown = true;
                const std::optional<std::string> end = region.end(graph);
                if (!end) continue;
                const auto activation = recognize([&](double x) { return region.compute(graph, *end, x); });
                if (activation) return FoundActivation{*activation, *end};
            }
        }
    }
    return std::nullopt;
}

std::optional<FoundNorm> find_norm(const OnnxGraph& graph, const onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    if (node.output_size() == 0 || node.input_size() == 0) return std::nullopt;
    const bool skip = op == "SkipLayerNormalization" || op == "SkipSimplifiedLayerNormalization";
    if (skip || op == "LayerNormalization" || op == "SimplifiedLayerNormalization" || op == "RMSNormalization") {
        const int scale = skip ? 2 : 1;
        FoundNorm norm;
        norm.input = node.input(0);
        norm.output = node.output(0);
        if (node.input_size() > scale) norm.scale = node.input(scale);
        const bool centred = op == "LayerNormalization" || op == "SkipLayerNormalization";
        const onnx::AttributeProto* const epsilon = find_attribute(node, "epsilon");
        if (epsilon != nullptr) norm.epsilon = static_cast<double>(epsilon->f());
        norm.bias = centred && node.input_size() > scale + 1 && !node.input(scale + 1).empty();
        return norm;
    }
    std::optional<FoundNorm> norm = find_decomposed_norm(graph, node);
    const std::optional<Shape> shape = norm ? graph.shape(norm->input) : std::nullopt;
    if (!shape || shape->empty()) return std::nullopt;
    follow_affine(graph, shape->back(), *norm);
    return norm;
}

}  // namespace octile
