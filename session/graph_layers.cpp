#include "base/check.h"
#include "octile/graph.h"
#include "session/graph_readers.h"
#include "session/graph_shapes.h"

namespace octile {
namespace {

Op planner_op(const Node& node) {
    switch (node.op) {
        case NodeOp::kLinear:
            return Op::kLinear;
        case NodeOp::kLayerNorm:
            return Op::kLayerNorm;
        case NodeOp::kRmsNorm:
            return node.heads == 1 ? Op::kLayerNorm : Op::kOther;
        case NodeOp::kActivation:
            return Op::kActivation;
        case NodeOp::kAdd:
            return Op::kAdd;
        case NodeOp::kEmbedding:
        case NodeOp::kGate:
        case NodeOp::kAttention:
        case NodeOp::kPool:
        case NodeOp::kNormalize:
            break;
    }
    return Op::kOther;
}

}  // namespace

Model layers_of(const Graph& graph, std::int64_t tokens) {
    const Result<GraphValues> values = values_of(graph);
    OCTILE_CHECK_EQ(values.status().message(), "");
    const GraphReaders readers(graph);
    Model model{graph.name};
    const auto append = [&](const std::string& name, Op op, std::int64_t k) -> Layer& {
        const GraphValue& value = values->at(name);
        Layer layer;
        layer.name = name;
        layer.op = op;
        layer.m = value.pooled ? 1 : tokens;
        layer.k = k;
        layer.n = value.features;
        return model.layers.emplace_back(std::move(layer));
    };
    for (const GraphInput& input : graph.inputs)
        if (input.features > 0) append(input.name, Op::kOther, input.features);
    for (const Node& node : graph.nodes) {
        if (readers.is_gated_pair(node)) continue;
        const Op op = planner_op(node);
        Layer& layer = append(node.name, op, op == Op::kLinear ? values->at(node.inputs[0]).features : node.features);
        for (const std::string& input : node.inputs) {
            const Node* source = readers.node(input);
            if (source && readers.is_gated_pair(*source))
                layer.inputs.insert(layer.inputs.end(), source->inputs.begin(), source->inputs.end());
            else
                layer.inputs.push_back(input);
        }
        layer.bias = !node.bias.empty();
        if (op == Op::kActivation) layer.activation = node.activation;
        if (op == Op::kLayerNorm) layer.epsilon = node.epsilon;
        const Node* reader = readers.only_reader(node.name);
        if (op == Op::kLinear && reader && reader->inputs[0] == node.name && readers.is_gated_pair(*reader))
            layer.activation = reader->activation;
    }
    return model;
}

}  // namespace octile
