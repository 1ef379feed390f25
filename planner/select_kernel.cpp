#include "planner/select_kernel.h"

#include "base/check.h"

namespace octile {

double tile_steps(int tile_m, std::int64_t m) {
    // Loading one column panel costs about as much as one and a half rows of products (5 loads and the loop beside 3
    // products a row).
    constexpr double kLoadSteps = 1.5;
    const std::int64_t tiles = (m + tile_m - 1) / tile_m;
    return static_cast<double>(tiles) * (tile_m + kLoadSteps);
}

std::size_t select_tile(std::span<const int> tiles_m, std::int64_t m) {
    OCTILE_CHECK_LT(std::size_t{0}, tiles_m.size());
    std::size_t best = 0;
    for (std::size_t i = 1; i < tiles_m.size(); i++) {
        const double steps = tile_steps(tiles_m[i], m), least = tile_steps(tiles_m[best], m);
        if (steps < least || (steps == least && tiles_m[i] > tiles_m[best])) best = i;
    }
    return best;
}

}  // namespace octile
