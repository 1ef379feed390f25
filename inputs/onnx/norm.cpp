#include "inputs/onnx/norm.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace octile {
namespace {

// A norm in one node: which inputs are scale, bias, and what is added to the first input beside the second; 0: none.
struct NormOp {
    std::string_view op;
    std::size_t scale, bias, input_bias;
    bool embeds = false;
};
constexpr std::array<NormOp, 6> kNormOps = {{{"LayerNormalization", 1, 2, 0},
                                             {"SimplifiedLayerNormalization", 1, 0, 0},
                                             {"RMSNormalization", 1, 0, 0},
                                             {"SkipLayerNormalization", 2, 3, 4},
                                             {"SkipSimplifiedLayerNormalization", 2, 0, 3},
                                             {"EmbedLayerNormalization", 5, 6, 0, true}}};
constexpr std::size_t kSumOutput = 3;

// The node that makes a value, if it is of that operator.
const OnnxNode* maker(const OnnxGraph& graph, int value, std::string_view op) {
    const OnnxNode* const node = graph.producer(value);
    return node != nullptr && node->op == op && node->input(0) >= 0 ? node : nullptr;
}

// Whether a ReduceMean is over the last axis alone. A file may hold any number as an axis.
bool is_over_last_axis(const OnnxGraph& graph, const OnnxNode& mean) {
    std::optional<std::int64_t> axis;
    if (const auto axes = integers_attribute(mean, "axes")) {
        if (axes->size() == 1) axis = axes->front();
    } else if (const OnnxValue* const axes_value = graph.value(mean.input(1))) {
        if (axes_value->contents && axes_value->contents->size() == 1)
            axis = axes_value->contents->front().as_integer();
    }
    const std::optional<Extents>& shape = graph.shape(mean.input(0));
    return axis && (*axis == -1 || (shape && *axis == static_cast<std::int64_t>(shape->size()) - 1));
}

// What x is, of mean(x * x) + epsilon, and that epsilon; -1 where it is something else.
int squared_in(const OnnxGraph& graph, int value, std::optional<double>& epsilon) {
    const OnnxNode* const sum = maker(graph, value, "Add");
    if (sum == nullptr || sum->inputs.size() != 2) return -1;
    for (const std::size_t side : {0u, 1u}) {
        const OnnxNode* const mean = maker(graph, sum->input(side), "ReduceMean");
        epsilon = graph.scalar(sum->input(1 - side));
        if (mean == nullptr || !epsilon || !is_over_last_axis(graph, *mean)) continue;
        if (const OnnxNode* const power = maker(graph, mean->input(0), "Pow")) {
            if (power->inputs.size() == 2 && graph.scalar(power->input(1)) == 2.0) return power->input(0);
        }
        if (const OnnxNode* const square = maker(graph, mean->input(0), "Mul")) {
            if (square->inputs.size() == 2 && square->input(0) == square->input(1)) return square->input(0);
        }
    }
    return -1;
}

// The same of the root of such a sum.
int squared_under_root(const OnnxGraph& graph, int root, std::optional<double>& epsilon) {
    if (const OnnxNode* const sqrt = maker(graph, root, "Sqrt")) return squared_in(graph, sqrt->input(0), epsilon);
    const OnnxNode* const power = maker(graph, root, "Pow");
    return power != nullptr && graph.scalar(power->input(1)) == 0.5 ? squared_in(graph, power->input(0), epsilon) : -1;
}

// The same of one over such a root: Reciprocal, 1 / root, or a power of -0.5.
int squared_under_inverse(const OnnxGraph& graph, int inverse, std::optional<double>& epsilon) {
    if (const OnnxNode* const reciprocal = maker(graph, inverse, "Reciprocal"))
        return squared_under_root(graph, reciprocal->input(0), epsilon);
    if (const OnnxNode* const power = maker(graph, inverse, "Pow"))
        return graph.scalar(power->input(1)) == -0.5 ? squared_in(graph, power->input(0), epsilon) : -1;
    const OnnxNode* const quotient = maker(graph, inverse, "Div");
    if (quotient == nullptr || graph.scalar(quotient->input(0)) != 1.0) return -1;
    return squared_under_root(graph, quotient->input(1), epsilon);
}

// What a layernorm subtracts its mean from to get `value`; `value` itself where there is no such step (an RMS norm).
int before_centring(const OnnxGraph& graph, int value) {
    const OnnxNode* const difference = maker(graph, value, "Sub");
    if (difference == nullptr || difference->inputs.size() != 2) return value;
    const OnnxNode* const mean = maker(graph, difference->input(1), "ReduceMean");
    return mean != nullptr && mean->input(0) == difference->input(0) ? difference->input(0) : value;
}

// Scale and bias behind a norm over n features.
void follow_affine(const OnnxGraph& graph, std::int64_t n, FoundNorm& norm) {
    for (const std::string_view op : {"Mul", "Add"}) {
        const std::optional<int> next = graph.only_reader(norm.output);
        if (!next) return;
        const OnnxNode& reader = graph.nodes[static_cast<std::size_t>(*next)];
        if (reader.op != op || reader.outputs.size() != 1) continue;
        const int operand = other_operand(reader, norm.output);
        if (!is_vector(graph, operand, n)) continue;
        norm.output = reader.outputs[0];
        norm.parameters.push_back(operand);
        if (op == "Mul") norm.scale = operand;
        norm.bias |= op == "Add";
    }
}

std::optional<FoundNorm> find_decomposed_norm(const OnnxGraph& graph, const OnnxNode& node) {
    if (node.inputs.size() != 2 || node.outputs.size() != 1 || node.outputs[0] < 0) return std::nullopt;
    int value = -1, squared = -1;
    std::optional<double> epsilon;
    if (node.op == "Div") {
        value = node.input(0);
        squared = squared_under_root(graph, node.input(1), epsilon);
    } else if (node.op == "Mul") {
        for (const std::size_t side : {0u, 1u}) {
            value = node.input(1 - side);
            squared = squared_under_inverse(graph, node.input(side), epsilon);
            if (squared >= 0) break;
        }
    }
    if (squared < 0 || value != squared) return std::nullopt;
    FoundNorm norm;
    norm.input = before_centring(graph, squared);
    norm.output = node.outputs[0];
    norm.epsilon = epsilon;
    return norm;
}

// Whether the attribute "axis" of a norm in one node is the last.
bool normalizes_last_axis(const OnnxGraph& graph, const OnnxNode& node) {
    const std::int64_t axis = integer_attribute(node, "axis", -1);
    const std::optional<Extents>& shape = graph.shape(node.input(0));
    return axis == -1 || (shape && axis == static_cast<std::int64_t>(shape->size()) - 1);
}

}  // namespace

int other_operand(const OnnxNode& node, int value) {
    if (node.inputs.size() != 2) return -1;
    return node.inputs[0] == value ? node.inputs[1] : node.inputs[0];
}

bool is_vector(const OnnxGraph& graph, int value, std::int64_t n) {
    const std::optional<Extents>& shape = graph.shape(value);
    return graph.is_constant(value) && shape && !shape->empty() && shape->back() == n &&
           std::all_of(shape->begin(), shape->end() - 1, [](std::int64_t extent) { return extent == 1; });
}

std::optional<FoundNorm> find_norm(const OnnxGraph& graph, const OnnxNode& node) {
    const auto* const known =
        std::find_if(kNormOps.begin(), kNormOps.end(), [&](const NormOp& op) { return op.op == node.op; });
    if (known != kNormOps.end()) {
        if (node.input(0) < 0 || node.output(0) < 0 || !normalizes_last_axis(graph, node)) return std::nullopt;
        FoundNorm norm;
        norm.input = known->embeds ? -1 : node.input(0);
        norm.output = node.output(0);
        norm.sum = node.output(kSumOutput);
        norm.scale = node.input(known->scale);
        norm.bias = known->bias > 0 && node.input(known->bias) >= 0;
        if (known->input_bias > 0) norm.input_bias = node.input(known->input_bias);
        if (find_attribute(node, "epsilon") != nullptr) norm.epsilon = real_attribute(node, "epsilon", 0);
        for (std::size_t i = known->scale; i < node.inputs.size(); ++i)
            norm.parameters.push_back(node.inputs[i]);
        return norm;
    }
    std::optional<FoundNorm> norm = find_decomposed_norm(graph, node);
    const std::optional<std::int64_t> features = norm ? graph.last_extent(norm->input) : std::nullopt;
    if (!features) return std::nullopt;
    follow_affine(graph, *features, *norm);
    return norm;
}

}  // namespace octile
