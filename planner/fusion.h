// Which rows of a layer list become one layer.
#pragma once

#include <string>
#include <vector>

#include "octile/layer.h"
#include "planner/validate.h"

namespace octile {

// A layer after fusion, and the names of the rows it stands for, in execution order.
struct FusedRow {
    Layer layer;
    std::vector<std::string> replaces;

    bool operator==(const FusedRow&) const = default;
};

// A linear absorbs an activation layer when the activation reads nothing else, nothing else reads the linear, shapes
// and counts agree, and the linear has no activation yet. The result keeps the linear's name and place; whoever read
// the activation now reads it. Precondition: edges == resolve_inputs(layers).
std::vector<FusedRow> fuse(const std::vector<Layer>& layers, const Edges& edges);

}  // namespace octile
