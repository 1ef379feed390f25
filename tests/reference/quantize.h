// int8 quantization of rows, as docs/quantization.md has it, one element at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace octile::reference {

// A [rows, k] matrix of int8 and one scale per row; a level q of an asymmetric row stands for (q - zero point) * scale.
// If `non_finite_row` is set, it is the first row that cannot be quantized, and the contents of the others are not to
// be used.
struct QuantizedRows {
    std::size_t rows = 0;
    std::size_t k = 0;
    std::vector<std::int8_t> values;
    std::vector<float> scales;
    std::optional<std::size_t> non_finite_row;
    std::vector<std::int32_t> zero_points = {};  // empty: all 0
};

// The largest magnitude, at least 1e-8. NaN if there is a NaN, else infinity if there is one.
inline float absmax(std::span<const float> row) {
    std::uint32_t magnitude = std::bit_cast<std::uint32_t>(1e-8f);
    for (const float value : row)
        magnitude = std::max(magnitude, std::bit_cast<std::uint32_t>(value) & 0x7fffffffu);
    return std::bit_cast<float>(magnitude);
}

enum class Rounding { kActivations, kWeights };

inline QuantizedRows quantize(Rounding rounding, std::span<const float> matrix, std::size_t rows, std::size_t k) {
    QuantizedRows result{.rows = rows, .k = k, .values = {}, .scales = {}, .non_finite_row = std::nullopt};
    result.values.resize(rows * k);
    result.scales.resize(rows);
    for (std::size_t row = 0; row < rows; ++row) {
        const std::span<const float> in = matrix.subspan(row * k, k);
        const float largest = absmax(in);
        if (!std::isfinite(largest)) {
            result.non_finite_row = row;
            break;
        }
        const float scale = largest / 127.0f;
        const float inverse = 127.0f / largest;
        result.scales[row] = scale;
        for (std::size_t i = 0; i < k; ++i) {
            const float scaled = rounding == Rounding::kWeights ? in[i] / scale : in[i] * inverse;
            const float level = std::nearbyint(scaled);
            result.values[row * k + i] = static_cast<std::int8_t>(std::clamp(level, -128.0f, 127.0f));
        }
    }
    return result;
}

// Activations x [m, k]: per token, dynamic.
inline QuantizedRows quantize_rows(std::span<const float> x, std::size_t m, std::size_t k) {
    return quantize(Rounding::kActivations, x, m, k);
}

// Weights w [n, k]: per output channel.
inline QuantizedRows quantize_weights(std::span<const float> w, std::size_t n, std::size_t k) {
    return quantize(Rounding::kWeights, w, n, k);
}

// The first row of [rows, k] that holds a NaN or an infinity.
inline std::optional<std::size_t> first_non_finite_row(std::span<const float> matrix, std::size_t rows, std::size_t k) {
    for (std::size_t row = 0; row < rows; ++row) {
        if (!std::isfinite(absmax(matrix.subspan(row * k, k)))) return row;
    }
    return std::nullopt;
}

// rne(x / scale) by way of the inverse, saturated to -127..127. A NaN is -127.
inline std::int8_t static_level(float x, float scale) {
    float level = x * (1.0f / scale);
    level = level > -127.0f ? level : -127.0f;
    level = level < 127.0f ? level : 127.0f;
    return static_cast<std::int8_t>(std::nearbyint(level));
}

// Activations by a scale that is given.
inline QuantizedRows quantize_rows_static(std::span<const float> x, std::size_t m, std::size_t k, float scale) {
    QuantizedRows result{
        .rows = m, .k = k, .values = {}, .scales = {}, .non_finite_row = first_non_finite_row(x, m, k)};
    if (result.non_finite_row) return result;
    result.scales.assign(m, scale);
    for (const float value : x)
        result.values.push_back(static_level(value, scale));
    return result;
}

// Activations from each row's range, which always holds 0.
inline QuantizedRows quantize_rows_asymmetric(std::span<const float> x, std::size_t m, std::size_t k) {
    QuantizedRows result{
        .rows = m, .k = k, .values = {}, .scales = {}, .non_finite_row = first_non_finite_row(x, m, k)};
    if (result.non_finite_row) return result;
    for (std::size_t row = 0; row < m; ++row) {
        const std::span<const float> in = x.subspan(row * k, k);
        float low = 0, high = 0;
        for (const float value : in) {
            low = std::min(low, value);
            high = std::max(high, value);
        }
        const float span = std::max(high - low, 1e-8f);
        const float inverse = 255.0f / span;
        const auto zero =
            static_cast<std::int32_t>(std::clamp(-128.0f - std::nearbyint(low * inverse), -128.0f, 127.0f));
        result.scales.push_back(span / 255.0f);
        result.zero_points.push_back(zero);
        for (const float value : in) {
            const std::int32_t level = static_cast<std::int32_t>(std::nearbyint(value * inverse)) + zero;
            result.values.push_back(static_cast<std::int8_t>(std::clamp(level, -128, 127)));
        }
    }
    return result;
}

}  // namespace octile::reference
