#include "inputs/onnx/convolution.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "inputs/onnx/activation.h"
#include "inputs/onnx/norm.h"
#include "inputs/onnx/rules.h"

namespace octile {
namespace {

struct ConvOp {
    std::string_view op;
    std::size_t weights;
    int bias;
};
constexpr std::array<ConvOp, 4> kConvOps = {
    {{"Conv", 1, 2}, {"FusedConv", 1, 2}, {"ConvInteger", 1, -1}, {"QLinearConv", 3, 8}}};

constexpr std::array<std::string_view, 20> kPointwise = {
    "Add",         "Sub",  "Mul",       "Div",      "Pow",       "Relu",     "Erf",
    "Sigmoid",     "Tanh", "Gelu",      "FastGelu", "QuickGelu", "BiasGelu", "HardSwish",
    "HardSigmoid", "Clip", "LeakyRelu", "Elu",      "Softplus",  "Swish"};

const ConvOp* conv_op(const OnnxNode& node) {
    const auto* const found =
        std::find_if(kConvOps.begin(), kConvOps.end(), [&](const ConvOp& op) { return op.op == node.op; });
    return found == kConvOps.end() ? nullptr : found;
}

bool all_are(const std::optional<std::vector<std::int64_t>>& values, std::int64_t wanted) {
    return !values || std::all_of(values->begin(), values->end(), [&](std::int64_t value) { return value == wanted; });
}

// The kernel's extents, if windows do not overlap and leave nothing between them.
std::optional<Extents> patch_of(const OnnxGraph& graph, const OnnxNode& node, const ConvOp& op) {
    const std::optional<Extents>& w = graph.shape(node.input(op.weights));
    if (!w || w->size() < 3 || !is_known(*w) || integer_attribute(node, "group", 1) != 1) return std::nullopt;
    const std::string_view auto_pad = text_attribute(node, "auto_pad", "NOTSET");
    if ((auto_pad != "NOTSET" && auto_pad != "VALID") || !all_are(integers_attribute(node, "pads"), 0) ||
        !all_are(integers_attribute(node, "dilations"), 1)) {
        return std::nullopt;
    }
    Extents kernel(w->begin() + 2, w->end());
    const Extents strides = integers_attribute(node, "strides").value_or(Extents(kernel.size(), 1));
    return strides == kernel ? std::optional(kernel) : std::nullopt;
}

bool is_pointwise_conv(const OnnxGraph& graph, const OnnxNode& node) {
    const ConvOp* const op = conv_op(node);
    const auto kernel = op != nullptr ? patch_of(graph, node, *op) : std::nullopt;
    return kernel && std::all_of(kernel->begin(), kernel->end(), [](std::int64_t extent) { return extent == 1; });
}

bool is_pointwise(const OnnxGraph& graph, const OnnxNode& node) {
    return std::find(kPointwise.begin(), kPointwise.end(), node.op) != kPointwise.end() ||
           is_pointwise_conv(graph, node);
}

bool is_relabelling(const OnnxNode& node) {
    return node.op == "Reshape" || node.op == "Flatten" || node.op == "Squeeze" || node.op == "Unsqueeze";
}

// A Transpose that moves axis `from` to place `to`; negative: counted from the end.
bool moves(const OnnxNode& node, std::int64_t from, std::int64_t to) {
    const auto perm = node.op == "Transpose" ? integers_attribute(node, "perm") : std::nullopt;
    if (!perm || perm->size() < 3) return false;
    const auto source = axis_of(from, perm->size()), place = axis_of(to, perm->size());
    return source && place && (*perm)[*place] == static_cast<std::int64_t>(*source);
}

// Looks along a graph, at so many nodes at most.
class Search {
  public:
    explicit Search(const OnnxGraph& graph) : graph_(graph) {}

    // Whether everything that reads `value`, [batch, channels, ...], is on the way to a Transpose that puts channels
    // last; `through` says which nodes may be on that way.
    template <typename Through>
    bool becomes_rows(int value, const Through& through) {
        const OnnxValue& found = graph_.values[static_cast<std::size_t>(value)];
        if (found.is_output || found.readers.empty()) return false;
        return std::all_of(found.readers.begin(), found.readers.end(), [&](int reader) {
            const OnnxNode& node = graph_.nodes[static_cast<std::size_t>(reader)];
            if (moves(node, 1, -1) || node.op == "Shape") return true;
            return left_-- > 0 && through(node) && node.outputs.size() == 1 && node.outputs[0] >= 0 &&
                   becomes_rows(node.outputs[0], through);
        });
    }

    // Whether `value` comes from a Transpose that took channels from the end, over nodes that work on points.
    bool comes_from_rows(int value) {
        const OnnxNode* const node = graph_.producer(value);
        if (node == nullptr || left_-- <= 0) return false;
        if (moves(*node, -1, 1)) return true;
        return is_pointwise(graph_, *node) && std::all_of(node->inputs.begin(), node->inputs.end(), [&](int input) {
                   return input < 0 || graph_.is_constant(input) || comes_from_rows(input);
               });
    }

  private:
    const OnnxGraph& graph_;
    int left_ = 48;
};

// A convolution of levels yields levels: a Mul scales them, and a bias is added behind that.
void follow_levels(const OnnxGraph& graph, FoundLinear& linear) {
    for (const std::string_view op : {"Mul", "Add"}) {
        const std::optional<int> next = graph.only_reader(linear.output);
        if (!next) return;
        const OnnxNode& reader = graph.nodes[static_cast<std::size_t>(*next)];
        const int operand = other_operand(reader, linear.output);
        if (reader.op != op || reader.output(0) < 0 || operand < 0) return;
        if (op == "Add") {
            const std::optional<Extents>& shape = graph.shape(operand);
            if (!graph.is_constant(operand) || !shape || elements_of(*shape) != linear.n) return;
            linear.bias = true;
            linear.parameters.push_back(operand);
        }
        linear.output = reader.output(0);
    }
}

bool is_over_rows(const OnnxGraph& graph, const OnnxNode& node, int x, int y) {
    if (Search(graph).becomes_rows(y, is_relabelling)) return true;
    if (!is_pointwise_conv(graph, node)) return false;
    const auto on_points = [&](const OnnxNode& other) { return is_relabelling(other) || is_pointwise(graph, other); };
    return Search(graph).comes_from_rows(x) && Search(graph).becomes_rows(node.output(0), on_points);
}

}  // namespace

bool is_convolution(const OnnxNode& node) {
    return conv_op(node) != nullptr || node.op == "ConvTranspose" || node.op == "DeformConv" || node.op == "NhwcConv";
}

std::optional<FoundLinear> find_convolution(const OnnxGraph& graph, const OnnxNode& node) {
    const ConvOp* const op = conv_op(node);
    if (op == nullptr || node.output(0) < 0) return std::nullopt;
    FoundLinear linear;
    linear.x = node.input(0);
    linear.weights = node.input(op->weights);
    linear.output = node.output(0);
    linear.reads_rows = false;
    if (linear.x < 0 || !graph.is_constant(linear.weights)) return std::nullopt;
    const std::optional<Extents> kernel = patch_of(graph, node, *op);
    if (!kernel) return std::nullopt;
    const Extents& w = *graph.shape(linear.weights);
    linear.n = w[0];
    const int bias = op->bias < 0 ? -1 : node.input(static_cast<std::size_t>(op->bias));
    linear.bias = bias >= 0;
    if (linear.bias) linear.parameters.push_back(bias);
    if (node.op == "ConvInteger") follow_levels(graph, linear);
    if (!is_over_rows(graph, node, linear.x, linear.output)) return std::nullopt;
    linear.k = product_of(std::span<const std::int64_t>(w).subspan(1));
    if (linear.k == kUnknownExtent) return std::nullopt;
    if (const std::optional<Extents>& y = graph.shape(linear.output); y && y->size() == w.size()) {
        Extents rows = *y;
        rows.erase(rows.begin() + 1);
        if (const std::int64_t m = product_of(rows); m != kUnknownExtent) linear.m = m;
    }
    linear.activation = built_in_activation(node);
    return linear;
}

}  // namespace octile
