// The order in which sums along a row are added up: docs/quantization.md, "Norms". Sixteen lanes, each from its first
// element to its last; then the lanes in halves, j and j + 8, of these j and j + 4, and so on.
#pragma once

#include <vector>

#include "Halide.h"

namespace octile::generators {

inline constexpr int kSumLanes = 16;

// lanes(0, m) ... lanes(15, m) as one, combine(a, b) at each step.
template <typename Combine>
Halide::Expr in_halves(const Halide::Func& lanes, const Halide::Expr& m, Combine combine) {
    std::vector<Halide::Expr> sums;
    for (int lane = 0; lane < kSumLanes; lane++)
        sums.push_back(lanes(lane, m));
    for (int half = kSumLanes / 2; half > 0; half /= 2) {
        for (int lane = 0; lane < half; lane++)
            sums[lane] = Halide::strict_float(combine(sums[lane], sums[lane + half]));
    }
    return sums[0];
}

}  // namespace octile::generators
