// Schedules that are worth a measurement: enumerated, and pruned by rules before anything is compiled (docs/tuning.md
// states them). Pure.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "octile/core.h"
#include "octile/types.h"
#include "tuner/level_traits.h"

namespace octile::tuner {

// A layer that schedules are compared on.
struct TunedLayer {
    std::int64_t m = 0, k = 0, n = 0;
    Activation epilogue = Activation::kNone;

    auto operator<=>(const TunedLayer&) const = default;
};

// Which tiles and blocking of a schedule a layer runs: those of a single row, of weights that are large for the
// second-level cache, or of others. The planner's runtime draws the line in runtime/packed_weights.h.
enum class ShapeClass { kRow, kRowLarge, kMany, kLarge };

std::string_view name_of(ShapeClass shape_class);  // "row" "row-large" "many" "large"
std::optional<ShapeClass> parse_shape_class(std::string_view name);
bool is_large(ShapeClass shape_class);
bool is_row(ShapeClass shape_class);

// What a schedule's entry is made of, for one level and kernel. The heights below panel_m follow: each has the same
// columns and unrolling, and as many chains (k_split) as it needs accumulators.
struct Parameters {
    int panel_m = 0, panel_n = 0, panels = 1;
    int unroll = 1;
    int prefetch = 0;    // steps; of tall tiles on large weights
    int rows_order = 0;  // 1: order "rows"
    int block_rows = 0, block_columns = 0;
    int large_order = 0;  // likewise, for large weights
    int large_block_rows = 0, large_block_columns = 0;
    int task_rows = 0;  // with several threads
    int row_panels = 1, row_k_split = 1, row_unroll = 1;

    auto operator<=>(const Parameters&) const = default;
};

// The entry's own parameters as far as this space has them, for the default's place in it.
Parameters parameters_of(const nlohmann::json& entry);

// An entry of a schedule file: `base` with these parameters in place of its own.
nlohmann::json entry_of(const Parameters& parameters, const LevelTraits& traits, const nlohmann::json& base);

// "8x48 unroll 2, prefetch 64, rows 32"
std::string label_of(const Parameters& parameters);

// What a stage of the search varies; everything else stays that of `from`.
enum class Stage {
    kPanels,    // panel sizes, unrolling, order
    kBlocking,  // blocks and prefetch, for each size of weights that the layers have
    kRow,       // the tile of a single row
};

std::string_view name_of(Stage stage);  // "panels" "blocking" "row"

struct Space {
    std::vector<Parameters> points;             // `from` first
    std::map<std::string, std::size_t> pruned;  // rule -> points it took out
    // Points that differ from one in a single parameter, panel_m and panel_n counting as one.
    std::vector<std::size_t> neighbours(std::size_t point) const;
};

struct SpaceSettings {
    Stage stage = Stage::kPanels;
    int threads = 1;
    bool large = false, small = true;  // sizes of weights among the layers
    std::int64_t longest_k = 0;        // of the layers
    bool orders = true;                // false: the order stays, as a model sees no difference
};

Space enumerate(const Parameters& from, const LevelTraits& traits, const Core& core, const SpaceSettings& settings);

// Cycles of a tile of so many rows over all of K, its operands in the first cache.
using TileCycles = std::function<double(int rows)>;

// Cycles of a layer's GEMM: all its tiles, or the bytes that come from behind the first cache, whichever takes longer.
double gemm_cycles(const Parameters& parameters, const LevelTraits& traits, const Core& core, const TunedLayer& layer,
                   const TileCycles& tile_cycles);

// Cycles that a model expects of a layer's GEMM, for comparisons within one layer: steps of the tiles by ports, and the
// bytes that come from behind the first cache.
double predicted_cycles(const Parameters& parameters, const LevelTraits& traits, const Core& core,
                        const TunedLayer& layer);

}  // namespace octile::tuner
