#include "inputs/onnx/sources.h"

#include <algorithm>
#include <numeric>

#include "inputs/onnx/rules.h"

namespace octile {
namespace {

constexpr std::size_t kMostLayers = 8;

// Whether every row of a node's first input is a row of its output, in the same order.
bool keeps_rows(const OnnxGraph& graph, const OnnxNode& node) {
    if (node.outputs.size() != 1 || node.outputs[0] < 0 || node.input(0) < 0) return false;
    const std::optional<Extents>&from = graph.shape(node.input(0)), &to = graph.shape(node.output(0));
    if (node.op == "Reshape" || node.op == "Flatten" || node.op == "Squeeze" || node.op == "Unsqueeze")
        return from && to && !from->empty() && !to->empty() && from->back() == to->back() &&
               from->back() != kUnknownExtent;
    if (node.op != "Transpose" || !from || from->empty()) return false;
    // Extents of 1 may move; the others stay in order.
    const auto perm = integers_attribute(node, "perm");
    if (!perm || perm->size() != from->size() || perm->back() != static_cast<std::int64_t>(from->size()) - 1)
        return false;
    std::int64_t last = -1;
    for (const std::int64_t axis : *perm) {
        const auto source = axis_of(axis, from->size());
        if (!source) return false;
        if ((*from)[*source] == 1) continue;
        if (axis < last) return false;
        last = axis;
    }
    return true;
}

}  // namespace

Sources::Sources(const OnnxGraph& graph) : graph_(graph), roots_(graph.values.size()) {
    std::iota(roots_.begin(), roots_.end(), 0);
    for (const OnnxNode& node : graph.nodes) {
        if (keeps_rows(graph, node)) roots_[static_cast<std::size_t>(node.outputs[0])] = root_of(node.input(0));
    }
}

void Sources::set_layer(int value, std::size_t layer) {
    // What a layer ends in may itself be laid out anew: that value is the layer's output, and so is what reads it.
    layers_[value] = layer;
    layers_.try_emplace(root_of(value), layer);
    sources_[root_of(value)] = {layer};
    sources_[value] = {layer};
}

void Sources::set_derived(int value, std::size_t layer) {
    sources_.try_emplace(value, std::vector<std::size_t>{layer});
}

void Sources::pass_on(const OnnxNode& node) {
    std::vector<std::size_t> sources;
    // What depends on a value's extents alone does not read the value.
    const bool reads = node.op != "Shape" && node.op != "Size";
    for (const int input : node.inputs) {
        if (input < 0 || !reads) continue;
        const std::vector<std::size_t> found = layers_of(input);
        if (node.op == "Add" && !sources.empty() && !found.empty()) {
            if (found.back() > sources.back()) sources = found;
            continue;
        }
        sources.insert(sources.end(), found.begin(), found.end());
        if (sources.size() > 4 * kMostLayers) {
            std::sort(sources.begin(), sources.end());
            sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
            if (sources.size() > kMostLayers) sources.erase(sources.begin(), sources.end() - kMostLayers);
        }
    }
    std::sort(sources.begin(), sources.end());
    sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
    if (sources.size() > kMostLayers) sources.erase(sources.begin(), sources.end() - kMostLayers);
    for (const int output : node.outputs) {
        if (output >= 0) sources_.try_emplace(output, sources);
    }
}

std::vector<std::size_t> Sources::layers_of(int value) const {
    for (const int known : {value, root_of(value)}) {
        if (const auto found = sources_.find(known); found != sources_.end()) return found->second;
    }
    return {};
}

bool Sources::is_product_of(int root, const std::vector<std::size_t>& layers) const {
    const OnnxNode* const product = graph_.producer(root);
    if (product == nullptr || product->op != "Mul" || product->inputs.size() != 2) return false;
    return std::all_of(product->inputs.begin(), product->inputs.end(), [&](int input) {
        const auto layer = input < 0 ? layers_.end() : layers_.find(root_of(input));
        return layer != layers_.end() && std::find(layers.begin(), layers.end(), layer->second) != layers.end();
    });
}

Input Sources::input_of(int value, const std::function<Activation(std::size_t)>& activation_of) {
    const int root = root_of(value);
    Input input{.root = root, .name = graph_.values[static_cast<std::size_t>(root)].name};
    input.shared = readers_[root] > 1;
    for (const int known : {value, root}) {
        const auto layer = layers_.find(known);
        if (layer == layers_.end()) continue;
        input.kind = Input::Kind::kLayers;
        input.layers = {layer->second};
        return input;
    }
    input.layers = layers_of(root);
    if (input.layers.empty()) {
        input.kind = Input::Kind::kNetwork;
        return input;
    }
    if (input.layers.size() == 1) return input;
    const bool activated = std::any_of(input.layers.begin(), input.layers.end(),
                                       [&](std::size_t layer) { return activation_of(layer) != Activation::kNone; });
    // A planner may take two layers of which one has an activation for a gate and what it gates.
    if (input.layers.size() == 2 && activated && !is_product_of(root, input.layers)) return input;
    if (named_.try_emplace(input.layers, root).first->second == root) input.kind = Input::Kind::kLayers;
    return input;
}

}  // namespace octile
