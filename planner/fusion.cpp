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

bool same_rows(const Layer& linear, const Layer& after) {
    return linear.m == after.m && linear.n == after.k && linear.count == after.count;
}

// Rows on their way into linears.
class Fusion {
  public:
    Fusion(const std::vector<Layer>& layers, const Edges& edges)
        : layers_(layers), edges_(edges), readers_(layers.size()), new_row_(layers.size()), fused_(layers.size()) {
        for (std::size_t row = 0; row < layers.size(); ++row) {
            Named& named = named_[layers[row].name];
            named.row = row;
            ++named.times;
            for (const std::size_t source : edges[row])
                read(source, !layers[row].inputs.empty());
            // Above this row, and the only one of its name: resolve_inputs() made sure.
            if (!layers[row].residual.empty()) read(named_.at(layers[row].residual).row, true);
        }
    }

    std::vector<FusedRow> run() {
        for (std::size_t row = 0; row < layers_.size(); ++row) {
            new_row_[row] = row;
            fused_[row] = {layers_[row], {layers_[row].name}, row};
            if (layers_[row].op == Op::kActivation) absorb_activation(row);
            if (layers_[row].op == Op::kAdd) absorb_add(row);
        }
        return result();
    }

  private:
    struct Named {
        std::size_t row = 0;  // the last of the name
        std::size_t times = 0;
    };

    void read(std::size_t source, bool by_name) {
        ++readers_[source].count;
        readers_[source].by_name |= by_name;
    }

    bool unique(std::size_t row) const { return named_.at(layers_[row].name).times == 1; }

    // Whoever read `row` reads `linear` now, and may have to name it: a name that occurs twice would not say which.
    bool can_stand_for(std::size_t linear, std::size_t row) const {
        const bool needs_name = readers_[row].by_name || linear + 1 != row;
        return !needs_name || unique(linear);
    }

    void absorb(std::size_t linear, std::size_t row) {
        new_row_[row] = linear;
        Layer& layer = fused_[linear].layer;
        layer.output_scale = layers_[row].output_scale;
        for (const std::string& assumption : layers_[row].assumptions)
            if (std::find(layer.assumptions.begin(), layer.assumptions.end(), assumption) == layer.assumptions.end())
                layer.assumptions.push_back(assumption);
        fused_[linear].replaces.push_back(layers_[row].name);
    }

    void absorb_activation(std::size_t row) {
        if (edges_[row].size() != 1) return;
        const std::size_t source = edges_[row][0];
        const Layer& linear = fused_[source].layer;
        // After a sum it would be applied to more than the linear's output.
        if (linear.op != Op::kLinear || linear.activation != Activation::kNone || !linear.residual.empty()) return;
        if (readers_[source].count != 1 || !same_rows(linear, layers_[row]) || !can_stand_for(source, row)) return;
        fused_[source].layer.activation = layers_[row].activation;
        absorb(source, row);
    }

    // Into the later of the two layers it sums, for the other has to be there when the linear runs.
    void absorb_add(std::size_t row) {
        const auto [first, second] = std::minmax(edges_[row][0], edges_[row][1]);
        const std::size_t linear = new_row_[second], other = new_row_[first];
        const Layer& layer = fused_[linear].layer;
        if (layer.op != Op::kLinear || !layer.residual.empty() || other >= linear || !unique(other)) return;
        if (readers_[second].count != 1 || !same_rows(layer, layers_[row]) || !can_stand_for(linear, row)) return;
        fused_[linear].layer.residual = layers_[other].name;
        absorb(linear, row);
    }

    std::vector<FusedRow> result() {
        std::vector<FusedRow> rows;
        rows.reserve(layers_.size());
        std::vector<std::size_t> place(layers_.size());  // of a row in `rows`
        std::size_t above = 0;                           // the row that the last of `rows` comes from
        for (std::size_t row = 0; row < layers_.size(); ++row) {
            if (new_row_[row] != row) continue;
            Layer& layer = fused_[row].layer;
            if (!layer.inputs.empty()) {
                for (std::size_t i = 0; i < layer.inputs.size(); ++i)
                    layer.inputs[i] = layers_[new_row_[edges_[row][i]]].name;
            } else if (!layer.input_unknown && row > 0 && new_row_[row - 1] != above) {
                layer.inputs = {layers_[new_row_[row - 1]].name};
            }
            if (!layers_[row].residual.empty()) layer.residual = layers_[new_row_[named_.at(layer.residual).row]].name;
            above = row;
            for (const std::size_t source : edges_[row])
                fused_[row].sources.push_back(place[new_row_[source]]);
            place[row] = rows.size();
            rows.push_back(std::move(fused_[row]));
        }
        return rows;
    }

    const std::vector<Layer>& layers_;
    const Edges& edges_;
    std::unordered_map<std::string_view, Named> named_;
    std::vector<Readers> readers_;
    // The row that produces what row i did. Only an absorbed row has another than its own.
    std::vector<std::size_t> new_row_;
    std::vector<FusedRow> fused_;
};

}  // namespace

std::vector<FusedRow> fuse(const std::vector<Layer>& layers, const Edges& edges) {
    OCTILE_CHECK_EQ(layers.size(), edges.size());
    return Fusion(layers, edges).run();
}

}  // namespace octile
