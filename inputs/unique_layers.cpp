#include "inputs/unique_layers.h"

#include <fmt/format.h>

#include <algorithm>

namespace octile {

std::string UniqueLayers::add(Layer layer, Recurrence recurrence) {
    std::vector<std::size_t>& rows = rows_[layer.name];
    if (recurrence != Recurrence::kOtherLayer) {
        for (const std::size_t row : rows) {
            Layer& known = model_.layers[row];
            const bool same = known.op == layer.op && known.m == layer.m && known.k == layer.k && known.n == layer.n &&
                              known.activation == layer.activation && known.bias == layer.bias;
            if (!same) continue;
            if (recurrence == Recurrence::kRunsAgain) known.count = std::min(known.count + layer.count, kMaxExtent);
            return known.name;
        }
    }
    const std::string base = layer.name;
    std::size_t number = std::max<std::size_t>(names_[base], 1);
    while (number > 1 || names_[base] > 0) {
        layer.name = fmt::format("{}#{}", base, ++number);
        if (!names_.contains(layer.name)) break;
    }
    names_[base] = number;
    names_.try_emplace(layer.name, 1);
    rows.push_back(model_.layers.size());
    model_.layers.push_back(layer);
    return layer.name;
}

}  // namespace octile
