// Layer norm and RMS norm as docs/quantization.md has them, one operation at a time, and in double for how far off that
// is.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace octile::reference {

// Sixteen lanes, lane j the elements k with k % 16 == j in their order, then added in halves.
inline float sum_in_lanes(std::span<const float> values) {
    std::array<float, 16> lanes{};
    for (std::size_t k = 0; k < values.size(); ++k)
        lanes[k % 16] += values[k];
    for (std::size_t half = 8; half > 0; half /= 2) {
        for (std::size_t lane = 0; lane < half; ++lane)
            lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
}

// One row. An empty `bias` makes it an rmsnorm.
inline std::vector<float> norm(std::span<const float> v, std::span<const float> weight, std::span<const float> bias,
                               float epsilon) {
    const bool rms = bias.empty();
    const auto count = static_cast<float>(v.size());
    const float mean = rms ? 0.0f : sum_in_lanes(v) / count;
    std::vector<float> centred, squares, y;
    for (const float value : v) {
        centred.push_back(rms ? value : value - mean);
        squares.push_back(centred.back() * centred.back());
    }
    const float inverse = 1.0f / std::sqrt(sum_in_lanes(squares) / count + epsilon);
    for (std::size_t k = 0; k < v.size(); ++k) {
        const float scaled = centred[k] * inverse * weight[k];
        y.push_back(rms ? scaled : scaled + bias[k]);
    }
    return y;
}

namespace exact {

inline std::vector<double> norm(std::span<const float> v, std::span<const float> weight, std::span<const float> bias,
                                double epsilon) {
    double sum = 0, squares = 0;
    for (const float value : v)
        sum += value;
    const double mean = bias.empty() ? 0 : sum / static_cast<double>(v.size());
    for (const float value : v)
        squares += (value - mean) * (value - mean);
    const double inverse = 1 / std::sqrt(squares / static_cast<double>(v.size()) + epsilon);
    std::vector<double> y;
    for (std::size_t k = 0; k < v.size(); ++k)
        y.push_back((v[k] - mean) * inverse * weight[k] + (bias.empty() ? 0 : static_cast<double>(bias[k])));
    return y;
}

}  // namespace exact

}  // namespace octile::reference
