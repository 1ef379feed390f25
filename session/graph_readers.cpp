#include "session/graph_readers.h"

namespace octile {

GraphReaders::GraphReaders(const Graph& graph) : graph_(graph) {
    for (std::size_t i = 0; i < graph.nodes.size(); i++) {
        places_[graph.nodes[i].name] = i;
        for (const std::string& input : graph.nodes[i].inputs)
            readers_[input].push_back(&graph.nodes[i]);
    }
    for (const std::string& output : graph.outputs)
        readers_[output].push_back(nullptr);
}

std::ptrdiff_t GraphReaders::place_of(std::string_view name) const {
    const auto found = places_.find(name);
    return found == places_.end() ? -1 : static_cast<std::ptrdiff_t>(found->second);
}

const Node* GraphReaders::node(std::string_view name) const {
    const std::ptrdiff_t place = place_of(name);
    return place < 0 ? nullptr : &graph_.nodes[static_cast<std::size_t>(place)];
}

const Node* GraphReaders::only_reader(std::string_view name) const {
    const auto found = readers_.find(name);
    return found != readers_.end() && found->second.size() == 1 ? found->second[0] : nullptr;
}

bool GraphReaders::is_gated_pair(const Node& gate) const {
    if (gate.op != NodeOp::kGate || gate.activation == Activation::kNone) return false;
    const Node *first = node(gate.inputs[0]), *second = node(gate.inputs[1]);
    if (!first || !second || first->op != NodeOp::kLinear || second->op != NodeOp::kLinear) return false;
    if (first->inputs != second->inputs || place_of(first->name) > place_of(second->name)) return false;
    if (only_reader(first->name) != &gate || only_reader(second->name) != &gate) return false;
    const Node* reader = only_reader(gate.name);
    return reader && reader->op == NodeOp::kLinear;
}

}  // namespace octile
