// What the nodes of a graph yield.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "octile/graph.h"

namespace octile {

struct GraphValue {
    std::int64_t features = 0;  // 0: indices
    Rows rows = {};

    // A row for each sequence instead of each token.
    bool pooled() const { return rows.unit == Rows::Unit::kSequences; }
};

using GraphValues = std::map<std::string, GraphValue, std::less<>>;

// Of all inputs and nodes, by name; or what validate() has to say.
Result<GraphValues> values_of(const Graph& graph);

}  // namespace octile
