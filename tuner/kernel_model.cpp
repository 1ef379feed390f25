#include "tuner/kernel_model.h"

#include <algorithm>

#include "planner/json_reader.h"
#include "planner/kernel_info.h"

namespace octile::tuner {
namespace {

const TileCost* find(const std::vector<TileCost>& tiles, int rows, bool single_row) {
    const auto found = std::find_if(tiles.begin(), tiles.end(), [&](const TileCost& tile) {
        return tile.rows == rows && tile.single_row == single_row;
    });
    return found == tiles.end() ? nullptr : &*found;
}

}  // namespace

Result<std::map<std::string, std::vector<TileCost>>> tile_costs_from_json(std::string_view text) {
    const Result<nlohmann::json> document = internal::parse_json(text);
    if (!document.ok()) return document.status();
    Status status;
    std::map<std::string, std::vector<TileCost>> costs;
    for (const auto& [name, tiles] : document->items()) {
        for (const nlohmann::json& tile : tiles) {
            internal::ObjectReader reader(tile, name, status, "tile");
            TileCost cost;
            cost.rows = static_cast<int>(reader.integer("rows", 1, 1 << 16));
            cost.single_row = reader.boolean("single_row");
            const bool large = reader.boolean("large");
            cost.cycles_per_mac = reader.number("cycles_per_mac", 0);
            cost.tile_cycles = reader.number("tile_cycles", 0, true);
            reader.finish();
            // Tiles for large weights differ in prefetches, which the model does not see.
            if (!large) costs[name].push_back(cost);
        }
    }
    if (!status.ok()) return status;
    return costs;
}

std::optional<double> modelled_ns(const Parameters& p, const LevelTraits& traits, const Core& core,
                                  const TunedLayer& layer, const std::vector<TileCost>& tiles) {
    const double k = static_cast<double>((layer.k + kReductionPadding - 1) / kReductionPadding * kReductionPadding);
    const bool single = layer.m == 1;
    const int columns = p.panel_n * (single ? p.row_panels : p.panels);
    bool complete = true;
    const TileCycles cycles = [&](int rows) {
        const TileCost* tile = find(tiles, rows, single);
        if (!tile) {
            complete = false;
            return 1.0;
        }
        const int padded = (rows + traits.cell_m - 1) / traits.cell_m * traits.cell_m;
        return tile->cycles_per_mac * k * padded * columns + tile->tile_cycles;
    };
    const double gemm = gemm_cycles(p, traits, core, layer, cycles);
    if (!complete) return std::nullopt;
    const bool int8 = traits.kernel == "gemm_s8";
    const double rows = static_cast<double>(layer.m);
    const double input = rows * k * (int8 ? core.cycles.quantize : core.cycles.pack);
    // The GEMM's own store is in its tiles; an activation is a pass of its own.
    const double outputs = rows * static_cast<double>(layer.n);
    const double epilogue = layer.epilogue == Activation::kNone   ? 0
                            : layer.epilogue == Activation::kGelu ? outputs * core.cycles.gelu
                                                                  : outputs * core.cycles.silu;
    return (gemm + input + epilogue) / core.clock_ghz + core.call_us * 1e3;
}

}  // namespace octile::tuner
