// Weights in the form of INT4, as docs/quantization.md has it: every s4 and every c8 is tried, one element at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "tests/reference/quantize.h"

namespace octile::reference {

constexpr std::size_t int4_group = 32;

// [n, k]; the two in the middle [n, groups].
struct Int4Matrix {
    std::size_t n = 0, k = 0;
    std::vector<int> q4, s4, c8;
    std::vector<float> scales;
    std::optional<std::size_t> non_finite_row;

    std::size_t groups() const { return (k + int4_group - 1) / int4_group; }
    int level(std::size_t row, std::size_t i) const {
        const std::size_t group = row * groups() + i / int4_group;
        return s4[group] * q4[row * k + i] + c8[group];
    }

    // The INT8 layer that this is.
    QuantizedRows levels() const {
        QuantizedRows result;
        result.rows = n;
        result.k = k;
        result.scales = scales;
        for (std::size_t row = 0; row < n; ++row)
            for (std::size_t i = 0; i < k; ++i)
                result.values.push_back(static_cast<std::int8_t>(level(row, i)));
        return result;
    }
};

inline int int4_q4(int sixteenths, int s4, int c8) {
    const int nearest =
        static_cast<int>(std::floor((sixteenths - 16.0 * c8) / (16.0 * s4) + 0.5));  // quotients that are exact halves
    return std::clamp(nearest, 0, std::min(15, (127 - c8) / s4));
}

struct Int4Group {
    std::int64_t error = std::numeric_limits<std::int64_t>::max();
    int s4 = 0, c8 = 0;
};

inline Int4Group fit_int4_group(std::span<const int> sixteenths) {
    Int4Group best;
    for (int s4 = 1; s4 <= 15; ++s4) {
        for (int c8 = -127; c8 <= 127; ++c8) {
            std::int64_t error = 0;
            for (const int value : sixteenths) {
                const std::int64_t off = value - 16 * (s4 * int4_q4(value, s4, c8) + c8);
                error += off * off;
            }
            if (error < best.error) best = {error, s4, c8};
        }
    }
    return best;
}

inline Int4Matrix fit_int4(std::span<const float> w, std::size_t n, std::size_t k) {
    Int4Matrix result;
    result.n = n;
    result.k = k;
    result.q4.resize(n * k);
    result.non_finite_row = first_non_finite_row(w, n, k);
    if (result.non_finite_row) return result;
    const std::size_t groups = result.groups();
    for (std::size_t row = 0; row < n; ++row) {
        const std::span<const float> in = w.subspan(row * k, k);
        const float unit = absmax(in) / 127.0f;
        std::vector<Int4Group> best;
        std::vector<int> best_values;
        float best_scale = 0;
        double least = std::numeric_limits<double>::infinity();
        for (const float factor : {1.12f, 1.06f, 1.0f, 0.95f}) {
            const float scale = unit * factor;
            const float inverse = 16.0f / scale;
            std::vector<int> values;
            for (const float weight : in)
                values.push_back(static_cast<int>(std::nearbyint(weight * inverse)));
            std::vector<Int4Group> fits;
            std::int64_t error = 0;
            for (std::size_t group = 0; group < groups; ++group) {
                const std::size_t first = group * int4_group;
                fits.push_back(fit_int4_group(std::span(values).subspan(first, std::min(int4_group, k - first))));
                error += fits.back().error;
            }
            const double worth = static_cast<double>(error) * (static_cast<double>(scale) * static_cast<double>(scale));
            if (worth >= least) continue;
            least = worth;
            best = fits;
            best_values = values;
            best_scale = scale;
        }
        double product = 0, square = 0;
        for (const Int4Group& fit : best) {
            result.s4.push_back(fit.s4);
            result.c8.push_back(fit.c8);
        }
        for (std::size_t i = 0; i < k; ++i) {
            const Int4Group& fit = best[i / int4_group];
            result.q4[row * k + i] = int4_q4(best_values[i], fit.s4, fit.c8);
            const int level = result.level(row, i);
            product += static_cast<double>(in[i]) * level;
            square += static_cast<double>(level) * level;
        }
        const float nearest = static_cast<float>(product / square);
        result.scales.push_back(square > 0 && nearest > 0 ? nearest : best_scale);
    }
    return result;
}

}  // namespace octile::reference
