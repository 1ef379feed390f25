#include "planner/panels.h"

#include <functional>
#include <tuple>
#include <unordered_map>

namespace octile {
namespace {

// What a panel is a copy of. Points at a row's sources, which outlive it.
struct PanelKey {
    const std::vector<std::size_t>* sources = nullptr;
    std::int64_t m = 0, k = 0, count = 0;

    bool operator==(const PanelKey& other) const {
        return std::tie(m, k, count, *sources) == std::tie(other.m, other.k, other.count, *other.sources);
    }
};

struct PanelKeyHash {
    std::size_t operator()(const PanelKey& key) const {
        std::size_t hash = static_cast<std::size_t>(key.m * 31 + key.k);
        for (const std::size_t source : *key.sources)
            hash = hash * 1000003 + source;
        return hash;
    }
};

}  // namespace

std::vector<PanelGroup> group_panels(const std::vector<FusedRow>& rows) {
    std::vector<PanelGroup> groups;
    std::unordered_map<PanelKey, std::size_t, PanelKeyHash> group_of;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        const Layer& layer = rows[row].layer;
        if (layer.op != Op::kLinear) continue;
        const PanelKey key{&rows[row].sources, layer.m, layer.k, layer.count};
        if (!layer.input_unknown) {
            const auto [found, added] = group_of.try_emplace(key, groups.size());
            if (!added) {
                groups[found->second].linears.push_back(row);
                continue;
            }
        }
        PanelGroup& group = groups.emplace_back();
        group.linears.push_back(row);
        if (rows[row].sources.size() != 1) continue;
        const std::size_t source = rows[row].sources[0];
        const Layer& before = rows[source].layer;
        if (before.m != layer.m || before.n != layer.k || before.count != layer.count) continue;
        if (before.op == Op::kLayerNorm) group.norm = source;
        if (before.op == Op::kLinear && before.output_scale) group.producer = source;
    }
    return groups;
}

}  // namespace octile
