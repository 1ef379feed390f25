// What surrounds the linears and norms of a network, as docs/quantization.md has it: one operation at a time, and in
// double for how far off that is. Rows are dense.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <span>
#include <vector>

#include "tests/reference/activation.h"
#include "tests/reference/norm.h"

namespace octile::reference {

// One query over `keys` and `values` [count, head], whose rows are `stride` apart. `bias`, where there is one, is added
// to the scores, and a key that has -infinity then has no weight.
inline std::vector<float> attend(std::span<const float> query, const float* keys, const float* values,
                                 std::size_t stride, std::size_t count, float scale, std::span<const float> bias = {}) {
    std::vector<float> weights(count);
    const float lowest = -std::numeric_limits<float>::infinity();
    float peak = lowest;
    for (std::size_t j = 0; j < count; ++j) {
        float score = 0;
        for (std::size_t d = 0; d < query.size(); ++d)
            score = std::fma(query[d], keys[j * stride + d], score);
        weights[j] = score * scale;
        if (!bias.empty()) weights[j] = weights[j] + bias[j];
        if (weights[j] > peak) peak = weights[j];
    }
    for (float& weight : weights) {
        if (!bias.empty() && weight == lowest) {
            weight = 0;
            continue;
        }
        const float distance = peak - weight;
        weight = std::isnan(distance) ? distance : exp_minus(distance > 87.0f ? 87.0f : distance);
    }
    const float inverse = 1.0f / sum_in_lanes(weights);
    std::vector<float> y(query.size());
    for (std::size_t d = 0; d < query.size(); ++d) {
        float sum = 0;
        for (std::size_t j = 0; j < count; ++j)
            sum = std::fma(weights[j], values[j * stride + d], sum);
        y[d] = sum * inverse;
    }
    return y;
}

struct Angle {
    float cosine, sine;
};

// One head, in place. `angle(pair)` gives the pair's Angle.
template <typename Angle>
void rotate_half(std::span<float> head, Angle angle) {
    const std::size_t half = head.size() / 2;
    for (std::size_t d = 0; d < half; ++d) {
        const auto [cosine, sine] = angle(d);
        const float low = head[d], high = head[d + half];
        head[d] = low * cosine - high * sine;
        head[d + half] = high * cosine + low * sine;
    }
}

inline std::vector<float> mean_of_rows(std::span<const float> x, std::size_t columns) {
    const std::size_t rows = x.size() / columns;
    std::vector<float> mean(columns);
    for (std::size_t k = 0; k < columns; ++k) {
        for (std::size_t m = 0; m < rows; ++m)
            mean[k] += x[m * columns + k];
        mean[k] = mean[k] / static_cast<float>(rows);
    }
    return mean;
}

inline std::vector<float> largest_of_rows(std::span<const float> x, std::size_t columns) {
    std::vector<float> y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(columns));
    for (std::size_t i = columns; i < x.size(); ++i)
        y[i % columns] = std::max(y[i % columns], x[i]);
    return y;
}

// (sum over rows of x[row] * weight(row)) / by
template <typename Weight>
std::vector<float> weighted_sum(std::span<const float> x, std::size_t columns, Weight weight, float by) {
    std::vector<float> y(columns);
    for (std::size_t k = 0; k < columns; ++k) {
        for (std::size_t m = 0; m * columns < x.size(); ++m)
            y[k] += x[m * columns + k] * weight(m);
        y[k] = y[k] / by;
    }
    return y;
}

// T5's: the first half of the buckets for keys before the query or at it, the second for those behind it; of each half
// the first half exact, then by logarithms up to max_distance.
inline std::int64_t distance_bucket(std::int64_t buckets, std::int64_t max_distance, std::int64_t distance) {
    const std::int64_t half = buckets / 2, exact = half / 2, size = std::abs(distance);
    std::int64_t bucket = size;
    if (size >= exact) {
        const long double steps = std::log(static_cast<long double>(size) / static_cast<long double>(exact)) /
                                  std::log(static_cast<long double>(max_distance) / static_cast<long double>(exact)) *
                                  static_cast<long double>(half - exact);
        // A whole number of steps may come out a little less.
        bucket = std::min(exact + static_cast<std::int64_t>(std::floor(steps + 1e-12L)), half - 1);
    }
    return bucket + (distance > 0 ? half : 0);
}

inline std::vector<float> normalize(std::span<const float> x, float epsilon) {
    std::vector<float> squares, y;
    for (const float value : x)
        squares.push_back(value * value);
    const float length = std::sqrt(sum_in_lanes(squares));
    for (const float value : x)
        y.push_back(value / (length > epsilon ? length : epsilon));
    return y;
}

namespace exact {

inline std::vector<double> attend(std::span<const float> query, const float* keys, const float* values,
                                  std::size_t stride, std::size_t count, double scale) {
    std::vector<double> weights(count);
    for (std::size_t j = 0; j < count; ++j) {
        for (std::size_t d = 0; d < query.size(); ++d)
            weights[j] += static_cast<double>(query[d]) * static_cast<double>(keys[j * stride + d]);
        weights[j] *= scale;
    }
    const double peak = *std::max_element(weights.begin(), weights.end());
    double total = 0;
    for (double& weight : weights) {
        weight = std::exp(weight - peak);
        total += weight;
    }
    std::vector<double> y(query.size());
    for (std::size_t d = 0; d < query.size(); ++d) {
        for (std::size_t j = 0; j < count; ++j)
            y[d] += weights[j] / total * static_cast<double>(values[j * stride + d]);
    }
    return y;
}

}  // namespace exact

}  // namespace octile::reference
