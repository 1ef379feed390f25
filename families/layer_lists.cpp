#include "families/layer_lists.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace octile {
namespace {

class Thinning {
  public:
    Thinning(const Model& model, bool keep_shared) : layers_(model.layers), keep_shared_(keep_shared) {
        for (std::size_t row = 0; row < layers_.size(); ++row)
            rows_[layers_[row].name] = row;
        readers_.resize(layers_.size());
        for (std::size_t row = 0; row < layers_.size(); ++row)
            for (const std::string& input : layers_[row].inputs)
                readers_[rows_.at(input)].push_back(row);
    }

    Model run(const std::string& name) {
        reads_.resize(layers_.size());
        stands_for_.resize(layers_.size());
        for (std::size_t row = 0; row < layers_.size(); ++row) {
            stands_for_[row] = row;
            if (absorb_activation(row)) continue;
            resolve(row);
        }
        Model thin{.name = name};
        for (std::size_t row = 0; row < layers_.size(); ++row)
            if (stays_.contains(row)) thin.layers.push_back(written(row, thin.layers.empty()));
        return thin;
    }

  private:
    // What a row reads of those that stay.
    struct Reads {
        std::vector<std::size_t> rows;
        bool all = true;     // nothing else
        bool direct = true;  // and through no row that is gone
    };

    static bool is_kept(Op op) { return op == Op::kLinear || op == Op::kLayerNorm || op == Op::kActivation; }

    bool absorb_activation(std::size_t row) {
        const Layer& layer = layers_[row];
        if (layer.op != Op::kActivation || layer.inputs.size() != 1) return false;
        const std::size_t source = rows_.at(layer.inputs[0]);
        const bool fits = layers_[source].op == Op::kLinear && layers_[source].activation == Activation::kNone &&
                          readers_[source].size() == 1 && layers_[source].m == layer.m;
        if (!fits) return false;
        activation_[source] = row;
        stands_for_[row] = source;
        return true;
    }

    bool is_shared(std::size_t row) const {
        return std::count_if(readers_[row].begin(), readers_[row].end(),
                             [&](std::size_t reader) { return layers_[reader].op == Op::kLinear; }) > 1;
    }

    void resolve(std::size_t row) {
        const Layer& layer = layers_[row];
        Reads& reads = reads_[row];
        std::unordered_set<std::size_t> known;
        const auto add = [&](std::size_t read) {
            if (known.insert(read).second) reads.rows.push_back(read);
        };
        reads.all = !layer.inputs.empty();
        for (const std::string& input : layer.inputs) {
            const std::size_t source = stands_for_[rows_.at(input)];
            if (stays_.contains(source)) {
                add(source);
                continue;
            }
            reads.direct = false;
            const Reads& through = reads_[source];
            // A sum of sums would name every row above it.
            reads.all = reads.all && through.all && layers_[source].op != Op::kAdd;
            if (layers_[source].op == Op::kAdd && layer.op == Op::kAdd) continue;
            for (const std::size_t further : through.rows)
                add(further);
        }
        bool stays = is_kept(layer.op);
        // A row that is gone is told by what it read only if no other read the same.
        if (!stays && keep_shared_ && is_shared(row)) {
            const bool several = reads.all && reads.rows.size() > 1;
            stays = !several || !seen_.insert(reads.rows).second;
        }
        if (stays) stays_.insert(row);
    }

    static bool tells(const Reads& reads) { return reads.direct || (reads.all && reads.rows.size() > 1); }

    Layer written(std::size_t row, bool first) const {
        Layer layer = layers_[row];
        const Reads& reads = reads_[row];
        // A sum of rows that are gone is no sum of two.
        if (layer.op == Op::kAdd) layer.op = Op::kOther;
        layer.inputs.clear();
        // Nothing is claimed of what a norm reads.
        if (layer.op == Op::kLinear ? tells(reads) : !reads.rows.empty())
            for (const std::size_t source : reads.rows)
                layer.inputs.push_back(layers_[source].name);
        layer.input_unknown = layer.inputs.empty() && !first;
        if (const auto found = activation_.find(row); found != activation_.end()) {
            const Layer& behind = layers_[found->second];
            layer.activation = behind.activation;
            for (const std::string& assumption : behind.assumptions)
                if (std::find(layer.assumptions.begin(), layer.assumptions.end(), assumption) ==
                    layer.assumptions.end())
                    layer.assumptions.push_back(assumption);
        }
        return layer;
    }

    const std::vector<Layer>& layers_;
    bool keep_shared_;
    std::unordered_map<std::string, std::size_t> rows_;
    std::vector<std::vector<std::size_t>> readers_;
    std::vector<Reads> reads_;
    std::vector<std::size_t> stands_for_;  // of a row: itself, or the linear that took it in
    std::unordered_map<std::size_t, std::size_t> activation_;
    std::set<std::size_t> stays_;
    std::set<std::vector<std::size_t>> seen_;
};

// Numbers between dots as '*'.
std::string pattern_of(const std::string& name) {
    std::string pattern;
    for (std::size_t at = 0; at <= name.size();) {
        const std::size_t dot = std::min(name.find('.', at), name.size());
        const std::string part = name.substr(at, dot - at);
        const bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
        pattern += (at > 0 ? "." : "") + (number ? "*" : part);
        at = dot + 1;
    }
    return pattern;
}

}  // namespace

Model linears_and_norms(const Model& model, bool keep_shared) {
    return Thinning(model, keep_shared).run(model.name);
}

Model blocks_once(const Model& model) {
    using Key = std::tuple<std::string, Op, std::int64_t, std::int64_t, std::int64_t, Activation, bool>;
    std::map<Key, std::size_t> places;
    std::map<std::string, std::size_t> patterns;          // how many keys have it
    std::unordered_map<std::string, std::size_t> row_of;  // of each name, the row that stands for it
    Model once{.name = model.name};
    for (const Layer& layer : model.layers) {
        const std::string pattern = pattern_of(layer.name);
        const Key key{pattern, layer.op, layer.m, layer.k, layer.n, layer.activation, layer.bias};
        const auto [found, added] = places.try_emplace(key, once.layers.size());
        row_of[layer.name] = found->second;
        if (!added) {
            once.layers[found->second].count++;
            continue;
        }
        Layer row = layer;
        // Blocks that differ: each kind has the name of its first.
        if (patterns[pattern]++ == 0) row.name = pattern;
        for (std::string& input : row.inputs)
            input = once.layers[row_of.at(input)].name;
        once.layers.push_back(std::move(row));
    }
    return once;
}

}  // namespace octile
