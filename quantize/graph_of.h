// What a packed file of a network holds beside the linears of its checkpoint.
#pragma once

#include <set>
#include <string>

#include "inputs/linear_tensors.h"
#include "octile/graph.h"
#include "octile/status.h"

namespace octile {

// Adds the graph's linears that the checkpoint's own list does not have as such, most of all a head that is tied to the
// table of tokens; and to `keep` the tables that they are made of. Of those that use another's weights, it adds whose.
// kParseError naming node and tensor.
Status add_linears(const Graph& graph, const Checkpoint& checkpoint, LinearTensors& tensors,
                   std::set<std::string, std::less<>>& keep);

}  // namespace octile
