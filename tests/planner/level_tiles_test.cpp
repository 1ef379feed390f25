// The planner's tiles, which the schedules give it, are those of the kernels, for the levels of this build.
#include "planner/level_tiles.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "runtime/kernel_table.h"

using namespace octile;

TEST_CASE("The cost model knows the tiles of every GEMM in the kernel table", "[level_tiles]") {
    std::map<std::pair<Isa, Precision>, std::set<int>> heights;
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
        CHECK(info.tile_m <= tiles->tile_m);
        if (info.panel_m == tiles->tile_m) heights[{info.isa, precision}].insert(info.tile_m);
    }
    CHECK(heights.size() >= 4);
    for (const auto& [level, found] : heights) {
        INFO(name_of(level.first));
        CHECK(static_cast<int>(found.size()) == *found.rbegin());
    }
}
