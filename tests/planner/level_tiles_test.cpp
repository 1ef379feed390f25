// The planner's tiles are those of the kernels, for the levels of this build.
#include "planner/level_tiles.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "runtime/kernel_table.h"

using namespace octile;

TEST_CASE("The cost model knows the tiles of every GEMM in the kernel table", "[level_tiles]") {
    std::set<std::pair<Isa, Precision>> levels;
    for (const Kernel& kernel : kernel_table()) {
        const KernelInfo& info = kernel.info;
        const bool int8 = info.family == KernelFamily::kGemmS8;
        if (!int8 && info.family != KernelFamily::kGemmF16) continue;
        INFO(info.name);
        const Precision precision = int8 ? Precision::kInt8 : Precision::kFp16;
        const auto all = all_level_tiles();
        const auto tiles = std::find_if(all.begin(), all.end(), [&](const LevelTiles& level) {
            return level.isa == info.isa && level.precision == precision;
        });
        REQUIRE(tiles != all.end());
        CHECK(tiles->tile_n == info.panel_n);
        CHECK(tiles->lhs_bytes == size_of(info.panel));
        CHECK(std::count(tiles->tiles_m.begin(), tiles->tiles_m.end(), info.tile_m) == 1);
        levels.emplace(info.isa, precision);
    }
    CHECK(levels.size() >= 4);
    // And no height that there is no kernel of.
    for (const LevelTiles& level : all_level_tiles()) {
        if (!levels.contains({level.isa, level.precision})) continue;
        for (const int tile_m : level.tiles_m) {
            INFO(name_of(level.isa) << " " << tile_m);
            const auto table = kernel_table();
            CHECK(std::any_of(table.begin(), table.end(), [&](const Kernel& kernel) {
                const bool int8 = kernel.info.family == KernelFamily::kGemmS8;
                return kernel.info.isa == level.isa && kernel.info.tile_m == tile_m &&
                       (int8 ? level.precision == Precision::kInt8
                             : kernel.info.family == KernelFamily::kGemmF16 && level.precision == Precision::kFp16);
            }));
        }
    }
}
