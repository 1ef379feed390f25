#include "tuner/space.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/names.h"
#include "planner/kernel_info.h"

namespace octile::tuner {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> kClasses = {"row", "row-large", "many", "large"};
constexpr std::array<std::string_view, 3> kStages = {"panels", "blocking", "row"};

// As many chains as give a tile the accumulators that hide a product's latency, within kReductionPadding and the
// registers.
int chains(int rows, int columns, const LevelTraits& traits) {
    constexpr int kEnough = 8;
    int split = 1;
    while (traits.accumulators(rows, columns) * split < kEnough && 2 * split * traits.k_block <= kReductionPadding &&
           traits.registers_of(rows, columns, 2 * split) <= traits.registers)
        split *= 2;
    return split;
}

json tile_json(int split, int panels, int unroll, int prefetch) {
    json tile = json::object();
    if (split > 1) tile["k_split"] = split;
    if (panels > 1) tile["panels"] = panels;
    if (unroll > 1) tile["unroll"] = unroll;
    if (prefetch > 0) tile["prefetch"] = prefetch;
    return tile;
}

json tiles_json(const Parameters& p, const LevelTraits& traits, int prefetch) {
    json tiles = json::array();
    for (int m = p.panel_m; m >= 1; --m) {
        // The first tile of a panel waits for the weights; a short one is through before a prefetch is.
        const bool tall = 2 * m > p.panel_m;
        json tile = tile_json(chains(m, p.panel_n * p.panels, traits), p.panels, p.unroll, tall ? prefetch : 0);
        tile["m"] = m;
        tiles.push_back(std::move(tile));
    }
    return tiles;
}

void set_blocking(json& entry, int rows_order, int block_rows, int block_columns, int task_rows) {
    if (rows_order) entry["order"] = "rows";
    if (block_rows > 0) entry["block_rows"] = block_rows;
    if (block_columns > 0) entry["block_columns"] = block_columns;
    if (task_rows > 0) entry["task_rows"] = task_rows;
}

// Why a tile is not worth a measurement; empty: it is.
std::string pruned_by(const Parameters& p, const LevelTraits& traits, const Core& core, const SpaceSettings& settings) {
    const int columns = p.panel_n * p.panels;
    if (traits.registers_of(p.panel_m, columns, 1) > traits.registers) return "registers";
    constexpr int kFewestAccumulators = 10;  // below, products wait for each other
    if (traits.accumulators(p.panel_m, columns) < kFewestAccumulators) return "few accumulators";
    // Longer bodies outgrow what cores keep of decoded loops, and take minutes to compile.
    constexpr double kLongestBody = 256;
    if (p.unroll * (traits.products(p.panel_m, columns) + traits.loads(p.panel_m, columns)) > kLongestBody)
        return "loop bodies beyond 256 vector instructions";
    const double products = traits.products(p.panel_m, columns) / core.vector_pipes;
    if (traits.loads(p.panel_m, columns) / core.vector_loads > products) return "load-bound";
    if (!core.caches.empty() && settings.longest_k > 0) {
        const double panel =
            static_cast<double>(settings.longest_k) * (p.panel_n * traits.weight_bytes + p.panel_m * traits.lhs_bytes);
        const std::size_t second = std::min<std::size_t>(1, core.caches.size() - 1);
        if (panel > core.caches[second].kib * 1024 / 2) return "panels beyond half of the second cache";
    }
    return {};
}

// A single row multiplies what it loads once.
std::string row_pruned_by(const Parameters& p, const LevelTraits& traits) {
    const int columns = p.panel_n * p.row_panels;
    if (p.row_k_split * traits.k_block > kReductionPadding) return "chains beyond the padding of K";
    if (traits.registers_of(1, columns, p.row_k_split) > traits.registers) return "registers";
    if (traits.accumulators(1, columns) * p.row_k_split < 4) return "few accumulators";
    if (p.row_panels % p.panels != 0 && p.panels % p.row_panels != 0) return "column units";
    return {};
}

class Enumeration {
  public:
    Enumeration(Space& space, const Parameters& from) : space_(space), seen_{from} { space.points.push_back(from); }

    void add(const Parameters& point, const std::string& pruned) {
        if (!seen_.insert(point).second) return;
        if (!pruned.empty())
            ++space_.pruned[pruned];
        else
            space_.points.push_back(point);
    }

  private:
    Space& space_;
    std::set<Parameters> seen_;
};

}  // namespace

std::string_view name_of(ShapeClass shape_class) {
    return internal::enum_name(kClasses, shape_class);
}

std::optional<ShapeClass> parse_shape_class(std::string_view name) {
    return internal::enum_from_name<ShapeClass>(kClasses, name);
}

bool is_large(ShapeClass shape_class) {
    return shape_class == ShapeClass::kLarge || shape_class == ShapeClass::kRowLarge;
}

bool is_row(ShapeClass shape_class) {
    return shape_class == ShapeClass::kRow || shape_class == ShapeClass::kRowLarge;
}

std::string_view name_of(Stage stage) {
    return internal::enum_name(kStages, stage);
}

Parameters parameters_of(const json& entry) {
    Parameters p;
    p.panel_m = entry.at("panel_m");
    p.panel_n = entry.at("panel_n");
    const auto of_tallest = [&](const json& tiles, const char* field, int otherwise) {
        for (const json& tile : tiles) {
            if (tile.at("m") == p.panel_m) return tile.value(field, otherwise);
        }
        return otherwise;
    };
    const json& large = entry.contains("large") ? entry["large"] : json::object();
    const auto overridden = [&](const char* field) -> json {
        return large.contains(field) ? large[field] : entry.contains(field) ? entry[field] : json();
    };
    p.panels = of_tallest(entry.at("tiles"), "panels", 1);
    p.unroll = of_tallest(entry.at("tiles"), "unroll", 1);
    p.prefetch = of_tallest(overridden("tiles"), "prefetch", 0);
    p.rows_order = entry.value("order", "columns") == "rows";
    p.block_rows = entry.value("block_rows", 0);
    p.block_columns = entry.value("block_columns", 0);
    p.task_rows = entry.value("task_rows", 0);
    p.large_order = overridden("order").is_string() && overridden("order") == "rows";
    p.large_block_rows = overridden("block_rows").is_number() ? overridden("block_rows").get<int>() : 0;
    p.large_block_columns = overridden("block_columns").is_number() ? overridden("block_columns").get<int>() : 0;
    const json& row = entry.at("row");
    p.row_panels = row.value("panels", 1);
    p.row_k_split = row.value("k_split", 1);
    p.row_unroll = row.value("unroll", 1);
    return p;
}

json entry_of(const Parameters& p, const LevelTraits& traits, const json& base) {
    json entry = base;
    for (const char* field : {"large", "order", "block_rows", "block_columns", "task_rows"})
        entry.erase(field);
    entry["panel_m"] = p.panel_m;
    entry["panel_n"] = p.panel_n;
    entry["tiles"] = tiles_json(p, traits, 0);
    entry["row"] = tile_json(p.row_k_split, p.row_panels, p.row_unroll, 0);
    set_blocking(entry, p.rows_order, p.block_rows, p.block_columns, p.task_rows);
    json large = json::object();
    if (p.prefetch > 0) large["tiles"] = tiles_json(p, traits, p.prefetch);
    if (p.large_order != p.rows_order) large["order"] = p.large_order ? "rows" : "columns";
    if (p.large_block_rows != p.block_rows) large["block_rows"] = p.large_block_rows;
    if (p.large_block_columns != p.block_columns) large["block_columns"] = p.large_block_columns;
    if (!large.empty()) entry["large"] = std::move(large);
    return entry;
}

std::string label_of(const Parameters& p) {
    std::string text = fmt::format("{}x{}", p.panel_m, p.panel_n * p.panels);
    const auto add = [&](const char* name, int value, int usual) {
        if (value != usual) text += fmt::format(" {}{}", name, value);
    };
    add("u", p.unroll, 1);
    if (p.rows_order) text += " rows";
    add("mc", p.block_rows, 0);
    add("nc", p.block_columns, 0);
    add("tr", p.task_rows, 0);
    if (p.large_order != p.rows_order) text += p.large_order ? " L:rows" : " L:columns";
    add("L:mc", p.large_block_rows, p.block_rows);
    add("L:nc", p.large_block_columns, p.block_columns);
    add("L:pf", p.prefetch, 0);
    text += fmt::format(" | 1x{}", p.panel_n * p.row_panels);
    add("s", p.row_k_split, 1);
    add("u", p.row_unroll, 1);
    return text;
}

std::vector<std::size_t> Space::neighbours(std::size_t point) const {
    std::vector<std::size_t> near;
    const auto differing = [](const Parameters& a, const Parameters& b) {
        int count = (a.panel_m != b.panel_m || a.panel_n != b.panel_n || a.panels != b.panels);
        for (const auto field :
             {&Parameters::unroll, &Parameters::prefetch, &Parameters::rows_order, &Parameters::block_rows,
              &Parameters::block_columns, &Parameters::large_order, &Parameters::large_block_rows,
              &Parameters::large_block_columns, &Parameters::task_rows, &Parameters::row_panels,
              &Parameters::row_k_split, &Parameters::row_unroll})
            count += a.*field != b.*field;
        return count;
    };
    for (std::size_t i = 1; i < points.size(); ++i) {
        if (i != point && differing(points[i], points[point]) == 1) near.push_back(i);
    }
    return near;
}

Space enumerate(const Parameters& from, const LevelTraits& traits, const Core& core, const SpaceSettings& settings) {
    Space space;
    Enumeration enumeration(space, from);
    if (settings.stage == Stage::kPanels) {
        const int step_m = traits.cell_m, step_n = traits.cell_m == 2 ? 4 : std::max(traits.cell_n, 4);
        for (int panel_m = traits.packs ? 2 * step_m : from.panel_m; panel_m <= (traits.packs ? 16 : from.panel_m);
             panel_m += step_m) {
            for (int panel_n = traits.packs ? step_n : from.panel_n;
                 panel_n <= (traits.packs ? step_n * 8 : from.panel_n); panel_n += step_n) {
                for (const int panels : traits.packs ? std::vector{1} : std::vector{1, 2, 4}) {
                    for (const int unroll : {1, 2, 4, 8}) {
                        for (const int order : settings.orders ? std::vector{0, 1} : std::vector{from.rows_order}) {
                            Parameters p = from;
                            p.panel_m = panel_m;
                            p.panel_n = panel_n;
                            p.panels = panels;
                            p.unroll = unroll;
                            p.rows_order = p.large_order = order;
                            if (panel_n != from.panel_n || panels != from.panels) {
                                p.row_panels = panels;
                                p.row_k_split = chains(1, panel_n * panels, traits);
                            }
                            enumeration.add(p, pruned_by(p, traits, core, settings));
                        }
                    }
                }
            }
        }
    } else if (settings.stage == Stage::kBlocking) {
        // Of a second cache that is shared between x and the weights; 0: half of it, or all columns.
        for (const int rows : {0, 32, 64, 128, 256}) {
            for (const int columns : {0, 4, 8, 16, 32}) {
                for (const int order : {0, 1}) {
                    for (const int prefetch : traits.prefetches&& settings.large ? std::vector{0, 16, 32, 64, 128}
                                                                                 : std::vector{from.prefetch}) {
                        for (const int task : settings.threads > 1 ? std::vector{0, 4, 16} : std::vector{0}) {
                            Parameters p = from;
                            const int block_rows = rows / from.panel_m * from.panel_m;
                            const int block_columns = columns * from.panel_n;
                            if (settings.small) {
                                p.block_rows = block_rows;
                                p.block_columns = block_columns;
                                p.rows_order = order;
                            }
                            if (settings.large) {
                                p.large_block_rows = block_rows;
                                p.large_block_columns = block_columns;
                                p.large_order = order;
                                p.prefetch = prefetch;
                            }
                            p.task_rows = task * from.panel_m;
                            enumeration.add(p, {});
                        }
                    }
                }
            }
        }
    } else {
        for (const int panels : {1, 2, 3, 4, 6}) {
            for (const int split : {1, 2, 4, 8}) {
                for (const int unroll : {1, 2, 4, 8}) {
                    Parameters p = from;
                    p.row_panels = panels;
                    p.row_k_split = split;
                    p.row_unroll = unroll;
                    enumeration.add(p, row_pruned_by(p, traits));
                }
            }
        }
    }
    return space;
}

double gemm_cycles(const Parameters& p, const LevelTraits& traits, const Core& core, const TunedLayer& layer,
                   const TileCycles& tile_cycles) {
    const double k = static_cast<double>((layer.k + kReductionPadding - 1) / kReductionPadding * kReductionPadding);
    const bool single = layer.m == 1;
    const int columns = p.panel_n * (single ? p.row_panels : p.panels);
    const double strips = std::ceil(static_cast<double>(layer.n) / columns);
    const auto cycles_of = [&](double bytes, double home) {
        for (const CacheLevel& cache : core.caches) {
            if (home <= cache.kib * 1024) return bytes / cache.bytes_per_cycle;
        }
        return bytes * core.clock_ghz / core.memory_gbps_core;
    };
    const double weight_panel = k * columns * traits.weight_bytes, row_panel = k * p.panel_m * traits.lhs_bytes;
    // The operand that meets all of the other stays in the first cache if both fit; the other one passes through.
    const double both = weight_panel + row_panel;
    const bool fits = core.caches.empty() || both <= core.caches.front().kib * 1024;
    const auto tile = [&](int rows) {
        const double passing = fits ? 0 : p.rows_order ? weight_panel : std::min(weight_panel, row_panel);
        return std::max(tile_cycles(rows), cycles_of(passing, both));
    };
    const double whole = single ? 1 : static_cast<double>(layer.m / p.panel_m);
    const int rest = single ? 0 : static_cast<int>(layer.m % p.panel_m);
    const double compute = strips * (whole * tile(single ? 1 : p.panel_m) + (rest ? tile(rest) : 0));
    // All weights once for every block of rows.
    const double weights = strips * weight_panel;
    const double block = p.block_rows > 0 ? p.block_rows : static_cast<double>(layer.m);
    const double passes = std::ceil(static_cast<double>(layer.m) / block);
    return std::max(compute, passes * cycles_of(weights, weights));
}

double predicted_cycles(const Parameters& p, const LevelTraits& traits, const Core& core, const TunedLayer& layer) {
    const double k = static_cast<double>((layer.k + kReductionPadding - 1) / kReductionPadding * kReductionPadding);
    const bool single = layer.m == 1;
    const int columns = p.panel_n * (single ? p.row_panels : p.panels);
    const int unroll = single ? p.row_unroll : p.unroll;
    const double issue = core.vector_pipes + core.vector_loads;  // instructions per cycle
    const auto tile = [&](int rows) {
        const double products = traits.products(rows, columns), loads = traits.loads(rows, columns);
        const int split = single ? p.row_k_split : chains(rows, columns, traits);
        constexpr double kLatency = 4;  // of a product behind another on its accumulator
        constexpr double kTile = 10;    // filling and draining the pipes
        const double waiting = kLatency * products / (traits.accumulators(rows, columns) * split);
        // Pointers, a counter, a branch: they take no vector port.
        constexpr double kLoopInstructions = 4;
        const double issued = products + loads + kLoopInstructions / (unroll * split);
        const double step =
            std::max({products / core.vector_pipes, loads / core.vector_loads, issued / issue, waiting});
        return k / traits.k_block * step + core.cycles.tile + kTile;
    };
    return gemm_cycles(p, traits, core, layer, tile);
}

}  // namespace octile::tuner
