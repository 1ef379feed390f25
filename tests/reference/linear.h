// A linear layer, y [m, n] = act(x [m, k] * transpose(w [n, k]) + bias [n]), twice: with the bits that the int8 path
// must give, and in double for what can only be close. All matrices are row-major; an empty bias is none.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/reference/activation.h"
#include "tests/reference/quantize.h"

namespace octile::reference {

// Bit-exact, for operands without a non-finite row and k <= 131072, or 65536 with zero points.
inline std::vector<float> linear_s8(const QuantizedRows& x, const QuantizedRows& w, std::span<const float> bias,
                                    Activation activation) {
    std::vector<float> y(x.rows * w.rows);
    for (std::size_t m = 0; m < x.rows; ++m) {
        const std::int32_t zero = x.zero_points.empty() ? 0 : x.zero_points[m];
        for (std::size_t n = 0; n < w.rows; ++n) {
            std::int32_t sum = 0;
            for (std::size_t k = 0; k < x.k; ++k)
                sum += (x.values[m * x.k + k] - zero) * w.values[n * w.k + k];
            const float scaled = static_cast<float>(sum) * (x.scales[m] * w.scales[n]);
            y[m * w.rows + n] = activate(activation, scaled + (bias.empty() ? 0.0f : bias[n]));
        }
    }
    return y;
}

// The same from float operands.
inline std::vector<float> linear_s8(std::span<const float> x, std::span<const float> w, std::span<const float> bias,
                                    std::size_t m, std::size_t k, std::size_t n, Activation activation) {
    return linear_s8(quantize_rows(x, m, k), quantize_weights(w, n, k), bias, activation);
}

// One output before the activation, and the sums of magnitudes that its rounding errors are in proportion to
// (tolerance.h).
struct ExactOutput {
    double value = 0;          // sum of x * w, plus bias
    double magnitude = 0;      // sum of |x * w|, without bias
    double largest_chunk = 0;  // the largest such sum over f16_chunk consecutive k
};

constexpr std::size_t f16_chunk = 128;

// In double: exact products, and sums whose error is far below every tolerance here. Takes operands as the kernel sees
// them: when it rounds f32 to f16 first, so must the caller.
inline std::vector<ExactOutput> linear_exact(std::span<const float> x, std::span<const float> w,
                                             std::span<const float> bias, std::size_t m, std::size_t k, std::size_t n) {
    std::vector<ExactOutput> outputs(m * n);
    for (std::size_t row = 0; row < m; ++row) {
        for (std::size_t column = 0; column < n; ++column) {
            ExactOutput& out = outputs[row * n + column];
            for (std::size_t begin = 0; begin < k; begin += f16_chunk) {
                double chunk = 0;
                for (std::size_t i = begin; i < std::min(k, begin + f16_chunk); ++i) {
                    const double product = static_cast<double>(x[row * k + i]) * static_cast<double>(w[column * k + i]);
                    out.value += product;
                    chunk += std::abs(product);
                }
                out.magnitude += chunk;
                out.largest_chunk = std::max(out.largest_chunk, chunk);
            }
            if (!bias.empty()) out.value += static_cast<double>(bias[column]);
        }
    }
    return outputs;
}

}  // namespace octile::reference
