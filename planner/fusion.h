// Which rows of a layer list become one layer.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "octile/layer.h"
#include "planner/validate.h"

namespace octile {

// A layer after fusion, and the names of the rows it stands for, in execution order.
struct FusedRow {
    Layer layer;
    std::vector<std::string> replaces;
    std::size_t row = 0;                    // of the list: the layer's own
    std::vector<std::size_t> sources = {};  // what it reads, as indices of the fused rows

    bool operator==(const FusedRow&) const = default;
};

// A linear absorbs an activation layer when the activation reads nothing else, nothing else reads the linear, shapes
// and counts agree, and the linear has no activation yet. The result keeps the linear's name and place and has the
// activation's output scale; whoever read the activation now reads it. Likewise it absorbs an add of its output (after
// its activation) and of a layer further up, which becomes its residual. Precondition: edges == resolve_inputs(layers).
std::vector<FusedRow> fuse(const std::vector<Layer>& layers, const Edges& edges);

}  // namespace octile
