#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_set>

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
        case NodeOp::kTanh:
        case NodeOp::kSlice:
        case NodeOp::kConcat:
        case NodeOp::kOther:
            break;
    }
    return Op::kOther;
}

// M of a value for so many tokens: rows of a part are rounded up, for an expert that sees any sees one.
std::int64_t m_of(const Rows& rows, std::int64_t tokens) {
    const std::int64_t all = rows.unit == Rows::Unit::kTokens  ? tokens
                             : rows.unit == Rows::Unit::kFixed ? rows.count
                                                               : 1;
    const std::int64_t whole = all / rows.of * rows.part, rest = all % rows.of * rows.part;
    return std::max<std::int64_t>(whole + (rest + rows.of - 1) / rows.of, 1);
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
        layer.m = m_of(value.rows, tokens);
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
        // No input is not "the row above".
        layer.input_unknown = layer.inputs.empty() && model.layers.size() > 1;
        layer.assumptions = node.assumptions;
        layer.bias = !node.bias.empty();
        if (op == Op::kActivation) layer.activation = node.activation;
        if (op == Op::kLayerNorm) layer.epsilon = node.epsilon;
        const Node* reader = readers.only_reader(node.name);
        if (op == Op::kLinear && reader && reader->inputs[0] == node.name && readers.is_gated_pair(*reader)) {
            layer.activation = reader->activation;
            for (const std::string& assumption : reader->assumptions)
                if (std::find(layer.assumptions.begin(), layer.assumptions.end(), assumption) ==
                    layer.assumptions.end())
                    layer.assumptions.push_back(assumption);
        }
    }
    return model;
}

bool counts_tokens(const Graph& graph) {
    const Result<GraphValues> values = values_of(graph);
    OCTILE_CHECK_EQ(values.status().message(), "");
    return std::any_of(values->begin(), values->end(),
                       [](const auto& value) { return value.second.rows.unit == Rows::Unit::kTokens; });
}

Graph needed_part(const Graph& graph) {
    std::unordered_set<std::string_view> needed(graph.outputs.begin(), graph.outputs.end());
    for (std::size_t i = graph.nodes.size(); i-- > 0;) {
        const Node& node = graph.nodes[i];
        if (!needed.contains(node.name)) continue;
        needed.insert(node.inputs.begin(), node.inputs.end());
        for (const EmbeddingTable& table : node.tables)
            needed.insert(table.index);
    }
    Graph part{.name = graph.name, .outputs = graph.outputs};
    const auto is_needed = [&](const auto& value) { return needed.contains(value.name); };
    std::copy_if(graph.inputs.begin(), graph.inputs.end(), std::back_inserter(part.inputs), is_needed);
    std::copy_if(graph.nodes.begin(), graph.nodes.end(), std::back_inserter(part.nodes), is_needed);
    return part;
}

const Node* first_other(const Graph& graph) {
    const auto found = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                    [](const Node& node) { return node.op == NodeOp::kOther; });
    return found == graph.nodes.end() ? nullptr : &*found;
}

}  // namespace octile
