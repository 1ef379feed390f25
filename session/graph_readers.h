// Who reads what in a graph.
#pragma once

#include <cstddef>
#include <map>
#include <string_view>
#include <vector>

#include "octile/graph.h"

namespace octile {

// Refers to the graph, which validate() has taken.
class GraphReaders {
  public:
    explicit GraphReaders(const Graph& graph);

    // The place of a node among the nodes; of an input: -1.
    std::ptrdiff_t place_of(std::string_view name) const;
    // The node of that name; null for an input.
    const Node* node(std::string_view name) const;
    // The only node that reads a value, and reads it once; null if it is an output too.
    const Node* only_reader(std::string_view name) const;

    // Whether a node is a gate that the planner makes out from the linears around it: of two linears with one input,
    // the gate first, for a third to read, and for nobody else.
    bool is_gated_pair(const Node& gate) const;

  private:
    const Graph& graph_;
    std::map<std::string_view, std::size_t> places_;
    std::map<std::string_view, std::vector<const Node*>> readers_;  // null: an output
};

}  // namespace octile
