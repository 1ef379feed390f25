// The linears of a graph as a plan fuses them: what is packed under which name, and which nodes each stands for.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "octile/graph.h"
#include "octile/linear.h"
#include "octile/plan.h"
#include "session/graph_readers.h"

namespace octile {

struct FusedLinear {
    const Node* node = nullptr;  // the up projection of a gated pair; the packed linear has its name
    const Node* gate = nullptr;  // packed with it
    LinearOptions options = {};
    std::string residual = {};   // the value that is added; empty: none
    const Node* last = nullptr;  // the node whose value it yields
    // Of a gate that is not packed with its pair: its activation, which the gate node would otherwise apply.
    bool activated_for_gate = false;
};

struct FusedLinears {
    std::map<std::string_view, FusedLinear> linears;          // by the name of the packed linear
    std::map<std::string_view, const FusedLinear*> absorbed;  // nodes that a linear stands for, itself left out
};

// The name that a linear's weights are packed under.
inline const std::string& packed_name(const Node& linear) {
    return linear.shared.empty() ? linear.name : linear.shared;
}

// kInvalidArgument if the plan is none of this graph: a linear that it lacks, another shape, an activation or residual
// that the graph does not have behind it, other options than those of the linear whose weights it shares. Refers to the
// graph.
Result<FusedLinears> fuse_linears(const Graph& graph, const GraphReaders& readers, const Plan& plan);

}  // namespace octile
