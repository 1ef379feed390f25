// Weights fitted to the form of INT4: docs/quantization.md.
//
//   level[n, k] = s4[n, k / 32] * q4[n, k] + c8[n, k / 32],   w[n, k] ~ scale[n] * level[n, k]
#pragma once

#include <cstdint>
#include <vector>

#include "octile/linear.h"
#include "runtime/int4_panels.h"

namespace octile {

// One matrix [n, k] of weights, row by row.
struct Int4Weights {
    std::int64_t n = 0, k = 0;
    std::vector<std::uint8_t> q4;  // [n, k]: 0 to 15, one to a byte
    std::vector<std::uint8_t> s4;  // [n, groups]: 1 to 15
    std::vector<std::int8_t> c8;   // [n, groups]: -127 to 127; and so is every level
    std::vector<float> scale;      // [n]: positive
};

inline Int4View view_of(const Int4Weights& weights) {
    return {weights.n, weights.k, weights.q4, weights.s4, weights.c8, weights.scale};
}

// The best fit in the sense of the page: the same for every CPU and number of threads. `weights`: f32, f16 or bf16,
// checked (check_matrix()). kNonFinite names the first output channel with NaN or infinity, calling the matrix `name`
// and its first row `first`.
Result<Int4Weights> fit_int4(const char* name, const MatrixView& weights, std::int64_t first = 0);

}  // namespace octile
