#include "calibration/smooth_quant.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace octile {
namespace {

// Calls operation(value, scale of its channel).
template <typename Operation>
void for_each_channel(std::span<const float> scales, std::span<float> values, Operation operation) {
    if (values.empty()) return;
    OCTILE_CHECK_EQ(scales.empty(), false);
    OCTILE_CHECK_EQ(values.size() % scales.size(), std::size_t{0});
    for (std::size_t start = 0; start < values.size(); start += scales.size()) {
        for (std::size_t k = 0; k < scales.size(); ++k)
            operation(values[start + k], scales[k]);
    }
}

void divide(std::span<const float> scales, std::span<float> values) {
    for_each_channel(scales, values, [](float& value, float scale) { value /= scale; });
}

}  // namespace

void ChannelObserver::observe(std::span<const float> rows) {
    OCTILE_CHECK_EQ(rows.size() % absmax_.size(), std::size_t{0});
    for (std::size_t start = 0; start < rows.size(); start += absmax_.size()) {
        for (std::size_t k = 0; k < absmax_.size(); ++k)
            absmax_[k] = std::max(absmax_[k], std::fabs(rows[start + k]));
    }
}

std::vector<float> smoothing_scales(std::span<const float> absmax_x, std::span<const float> absmax_w, double alpha) {
    OCTILE_CHECK_EQ(absmax_x.size(), absmax_w.size());
    OCTILE_CHECK_LE(0.0, alpha);
    OCTILE_CHECK_LE(alpha, 1.0);
    constexpr double kMostExponent = 24;
    std::vector<float> scales(absmax_x.size(), 1.0f);
    for (std::size_t k = 0; k < scales.size(); ++k) {
        if (!(absmax_x[k] > 0) || !(absmax_w[k] > 0)) continue;
        const double exponent = alpha * std::log2(static_cast<double>(absmax_x[k])) -
                                (1 - alpha) * std::log2(static_cast<double>(absmax_w[k]));
        scales[k] = static_cast<float>(std::exp2(std::clamp(std::nearbyint(exponent), -kMostExponent, kMostExponent)));
    }
    return scales;
}

void fold_into_norm(std::span<const float> scales, std::span<float> parameter) {
    divide(scales, parameter);
}

void fold_into_weights(std::span<const float> scales, std::span<float> weights) {
    for_each_channel(scales, weights, [](float& value, float scale) { value *= scale; });
}

void smooth_rows(std::span<const float> scales, std::span<float> rows) {
    divide(scales, rows);
}

}  // namespace octile
