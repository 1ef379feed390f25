#include "planner/fusion.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/check.h"

namespace octile {
namespace {

struct Readers {
    std::size_t count = 0;
    bool by_name = false;  // at least one of them names this row in its `inputs`
};

bool same_rows(const Layer& linear, const Layer& activation) {
    return linear.m == activation.m && linear.n == activation.k && linear.count == activation.count;
}

}  // namespace

std::vector<FusedRow> fuse(const std::vector<Layer>& layers, const Edges& edges) {
    OCTILE_CHECK_EQ(layers.size(), edges.size());
    std::vector<Readers> readers(layers.size());
    std::unordered_map<std::string_view, std::size_t> times;
    for (std::size_t row = 0; row < layers.size(); ++row) {
        ++times[layers[row].name];
        for (const std::size_t source : edges[row]) {
            ++readers[source].count;
            readers[source].by_name |= !layers[row].inputs.empty();
        }
    }

    // new_row[i]: the row that produces what row i did. Only an absorbed activation has another than its own.
    std::vector<std::size_t> new_row(layers.size());
    std::vector<FusedRow> fused(layers.size());
    for (std::size_t row = 0; row < layers.size(); ++row) {
        const Layer& layer = layers[row];
        new_row[row] = row;
        fused[row] = {layer, {layer.name}, row};
        if (layer.op != Op::kActivation || edges[row].size() != 1) continue;
        const std::size_t source = edges[row][0];
        const Layer& linear = layers[source];
        if (linear.op != Op::kLinear || linear.activation != Activation::kNone) continue;
        if (readers[source].count != 1 || !same_rows(linear, layer)) continue;
        // Readers of the activation may have to name the linear instead, and a name that occurs twice would not say
        // which.
        const bool needs_name = readers[row].by_name || source + 1 != row;
        if (needs_name && times[linear.name] > 1) continue;
        new_row[row] = source;
        fused[source].layer.activation = layer.activation;
        fused[source].layer.output_scale = layer.output_scale;
        fused[source].replaces.push_back(layer.name);
    }

    std::vector<FusedRow> result;
    result.reserve(layers.size());
    std::vector<std::size_t> place(layers.size());  // of a row in `result`
    std::size_t above = 0;                          // the row that the last layer of `result` comes from
    for (std::size_t row = 0; row < layers.size(); ++row) {
        if (new_row[row] != row) continue;
        std::vector<std::string>& inputs = fused[row].layer.inputs;
        if (!inputs.empty()) {
            for (std::size_t i = 0; i < inputs.size(); ++i)
                inputs[i] = layers[new_row[edges[row][i]]].name;
        } else if (row > 0 && new_row[row - 1] != above) {
            inputs = {layers[new_row[row - 1]].name};
        }
        above = row;
        for (const std::size_t source : edges[row])
            fused[row].sources.push_back(place[new_row[source]]);
        place[row] = result.size();
        result.push_back(std::move(fused[row]));
    }
    return result;
}

}  // namespace octile
