#include "inputs/onnx/activation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

namespace octile {
namespace {

constexpr std::size_t kMostNodes = 16;  // gelu by tanh, spelled out, has 9
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double gelu(double x) {
    return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
}

double gelu_tanh(double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

double sigmoid(double x) {
    return 1 / (1 + std::exp(-x));
}

double hard_sigmoid(double x, double alpha, double beta) {
    return std::clamp(alpha * x + beta, 0.0, 1.0);
}

// Of an operator that reads one value, as an input or beside bounds; empty for one that is not element by element.
std::optional<double> unary(const OnnxNode& node, double x) {
    const std::string_view op = node.op;
    if (op == "Erf") return std::erf(x);
    if (op == "Tanh") return std::tanh(x);
    if (op == "Sigmoid") return sigmoid(x);
    if (op == "Sqrt") return std::sqrt(x);
    if (op == "Exp") return std::exp(x);
    if (op == "Neg") return -x;
    if (op == "Abs") return std::fabs(x);
    if (op == "Relu") return std::max(x, 0.0);
    if (op == "Reciprocal") return 1 / x;
    if (op == "Cast") return x;
    if (op == "Softplus") return std::log1p(std::exp(x));
    if (op == "Gelu") return text_attribute(node, "approximate", "none") == "tanh" ? gelu_tanh(x) : gelu(x);
    if (op == "FastGelu") return gelu_tanh(x);
    if (op == "QuickGelu") return x * sigmoid(real_attribute(node, "alpha", 1.702) * x);
    if (op == "Swish") return x * sigmoid(real_attribute(node, "alpha", 1.0) * x);
    if (op == "HardSwish") return x * hard_sigmoid(x, 1.0 / 6, 0.5);
    if (op == "HardSigmoid")
        return hard_sigmoid(x, real_attribute(node, "alpha", 0.2), real_attribute(node, "beta", 0.5));
    if (op == "LeakyRelu") return x < 0 ? real_attribute(node, "alpha", 0.01) * x : x;
    if (op == "Elu") return x < 0 ? real_attribute(node, "alpha", 1.0) * std::expm1(x) : x;
    if (op == "Clip")
        return std::clamp(x, real_attribute(node, "min", -kInfinity), real_attribute(node, "max", kInfinity));
    return std::nullopt;
}

std::optional<double> binary(std::string_view op, double x, double y) {
    if (op == "Add") return x + y;
    if (op == "Sub") return x - y;
    if (op == "Mul") return x * y;
    if (op == "Div") return x / y;
    if (op == "Pow") return std::pow(x, y);
    if (op == "Max") return std::max(x, y);
    if (op == "Min") return std::min(x, y);
    return std::nullopt;
}

// What a node computes of scalars; an operand that was left out is empty.
std::optional<double> evaluate(const OnnxNode& node, const std::vector<std::optional<double>>& x) {
    if (node.op == "Clip" && x.size() > 1 && x[0]) {
        const double low = x[1].value_or(-kInfinity), high = x.size() > 2 ? x[2].value_or(kInfinity) : kInfinity;
        return low <= high ? std::optional(std::clamp(*x[0], low, high)) : std::nullopt;
    }
    if (x.size() == 1 && x[0]) return unary(node, *x[0]);
    if (x.size() == 2 && x[0] && x[1]) return binary(node.op, *x[0], *x[1]);
    return std::nullopt;
}

// Nodes that work on one value element by element, and what they compute for one number in its place.
struct Region {
    explicit Region(int value) : start(value), values{value} {}

    int start;
    std::vector<int> nodes;
    std::vector<int> values;

    bool holds(int value) const { return std::find(values.begin(), values.end(), value) != values.end(); }
    bool holds_node(int node) const { return std::find(nodes.begin(), nodes.end(), node) != nodes.end(); }

    // The node's output joins if all it reads is inside or a scalar.
    bool add(const OnnxGraph& graph, int index) {
        const OnnxNode& node = graph.nodes[static_cast<std::size_t>(index)];
        if (node.outputs.size() != 1 || node.inputs.empty() || node.inputs.size() > 3 || holds_node(index))
            return false;
        std::vector<std::optional<double>> probes;
        for (const int input : node.inputs) {
            if (input >= 0 && !holds(input) && !graph.scalar(input)) return false;
            probes.push_back(input < 0 ? std::nullopt : std::optional(0.5));
        }
        if (node.op != "Clip" && !evaluate(node, probes)) return false;
        nodes.push_back(index);
        values.push_back(node.outputs[0]);
        return true;
    }

    // The one value that is read outside, or not at all. Empty when there are several, or the start is one of them.
    std::optional<int> end(const OnnxGraph& graph) const {
        std::optional<int> open;
        for (const int value : values) {
            const OnnxValue& found = graph.values[static_cast<std::size_t>(value)];
            const bool inside =
                !found.readers.empty() && !found.is_output &&
                std::all_of(found.readers.begin(), found.readers.end(), [&](int reader) { return holds_node(reader); });
            if (inside) continue;
            if (open || value == start) return std::nullopt;
            open = value;
        }
        return open;
    }

    double compute(const OnnxGraph& graph, int end_value, double x) const {
        std::map<int, double> known = {{start, x}};
        for (const int index : nodes) {
            const OnnxNode& node = graph.nodes[static_cast<std::size_t>(index)];
            std::vector<std::optional<double>> operands;
            for (const int input : node.inputs) {
                const auto found = known.find(input);
                operands.push_back(found != known.end() ? found->second : graph.scalar(input));
            }
            known[node.outputs[0]] = evaluate(node, operands).value_or(NAN);
        }
        const auto result = known.find(end_value);
        return result == known.end() ? NAN : result->second;
    }

    bool computes_tanh(const OnnxGraph& graph) const {
        return std::any_of(nodes.begin(), nodes.end(), [&](int index) {
            const OnnxNode& node = graph.nodes[static_cast<std::size_t>(index)];
            return node.op == "Tanh" || node.op == "FastGelu" ||
                   (node.op == "Gelu" && text_attribute(node, "approximate", "none") == "tanh");
        });
    }
};

struct Known {
    Activation activation;
    double (*function)(double);
};
constexpr std::array<Known, 7> kKnown = {
    {{Activation::kRelu, [](double x) { return std::max(x, 0.0); }},
     {Activation::kRelu6, [](double x) { return std::clamp(x, 0.0, 6.0); }},
     {Activation::kHardswish, [](double x) { return x * hard_sigmoid(x, 1.0 / 6, 0.5); }},
     {Activation::kGelu, gelu},
     {Activation::kGeluTanh, gelu_tanh},
     {Activation::kQuickGelu, [](double x) { return x * sigmoid(1.702 * x); }},
     {Activation::kSilu, [](double x) { return x * sigmoid(x); }}}};

std::optional<Activation> recognize(const OnnxGraph& graph, const Region& region, int end) {
    // Both ends of hardswish and relu6 are among them, and numbers where the sigmoid of 1.702 x is not that of x.
    static constexpr std::array kPoints = {-8.0, -4.0, -2.0, -1.0, -0.3, 0.0, 0.3, 1.0, 2.0, 4.0, 8.0};
    static constexpr double kTolerance = 2e-3;
    std::array<double, kPoints.size()> found{};
    for (std::size_t i = 0; i < kPoints.size(); ++i)
        found[i] = region.compute(graph, end, kPoints[i]);
    for (const Known& known : kKnown) {
        bool same = true;
        for (std::size_t i = 0; i < kPoints.size(); ++i)
            same = same && std::fabs(found[i] - known.function(kPoints[i])) < kTolerance;
        if (!same) continue;
        const bool is_gelu = known.activation == Activation::kGelu;
        return is_gelu && region.computes_tanh(graph) ? Activation::kGeluTanh : known.activation;
    }
    return std::nullopt;
}

}  // namespace

std::optional<FoundActivation> find_activation(const OnnxGraph& graph, int value) {
    Region region(value);
    for (bool grown = true; grown && region.nodes.size() < kMostNodes;) {
        grown = false;
        const std::vector<int> values = region.values;
        for (const int inside : values) {
            const std::vector<int>& readers = graph.values[static_cast<std::size_t>(inside)].readers;
            if (readers.size() > kMostNodes) return std::nullopt;
            for (const int reader : readers) {
                if (region.nodes.size() >= kMostNodes || !region.add(graph, reader)) continue;
                grown = true;
                const std::optional<int> end = region.end(graph);
                if (!end) continue;
                if (const auto activation = recognize(graph, region, *end)) return FoundActivation{*activation, *end};
            }
        }
    }
    return std::nullopt;
}

Activation built_in_activation(const OnnxNode& node) {
    const std::string_view name = text_attribute(node, "activation", "");
    if (name == "Relu") return Activation::kRelu;
    if (name == "Gelu") return Activation::kGelu;
    if (name == "HardSwish") return Activation::kHardswish;
    return Activation::kNone;
}

}  // namespace octile
