// Whether a list of layers is one that can be planned, and who reads whose output.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

// For each row, the rows it reads, each above it. The first row reads the network's input: none.
using Edges = std::vector<std::vector<std::size_t>>;

// Printable UTF-8 of at most kMaxNameLength bytes.
Status validate_name(std::string_view what, std::string_view name);

// One layer by itself: name and extents. The message begins with the field.
Status validate_layer(const Layer& layer);

// All of them, and the names in `inputs`. The message begins with layer and row.
Result<Edges> resolve_inputs(const std::vector<Layer>& layers);

}  // namespace octile
