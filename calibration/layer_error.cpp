#include "calibration/layer_error.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "calibration/smooth_quant.h"
#include "octile/linear.h"

namespace octile {
namespace {

float dot(const float* a, const float* b, std::size_t count) {
    constexpr std::size_t kLanes = 16, kChunk = 256;
    double total = 0;
    for (std::size_t start = 0; start < count; start += kChunk) {
        const std::size_t end = std::min(count, start + kChunk);
        float lanes[kLanes] = {};
        std::size_t i = start;
        for (; i + kLanes <= end; i += kLanes) {
            for (std::size_t lane = 0; lane < kLanes; ++lane)
                lanes[lane] += a[i + lane] * b[i + lane];
        }
        for (; i < end; ++i)
            lanes[0] += a[i] * b[i];
        for (const float lane : lanes)
            total += static_cast<double>(lane);
    }
    return static_cast<float>(total);
}

}  // namespace

double ProductError::sqnr_db() const {
    return energy > 0 ? -10 * std::log10(energy) : std::numeric_limits<double>::infinity();
}

double ProductError::cosine() const {
    if (signal > 0 && quantized > 0) return dot / std::sqrt(signal * quantized);
    return signal == quantized ? 1 : 0;
}

ProductError compare_products(std::span<const float> y, std::span<const float> q, std::int64_t n) {
    const auto channels = static_cast<std::size_t>(n), rows = y.size() / channels;
    std::vector<double> mean(channels), variance(channels), noise(channels);
    ProductError error;
    double all_noise = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
        const double exact = static_cast<double>(y[i]), found = static_cast<double>(q[i]);
        const double squared = (found - exact) * (found - exact);
        mean[i % channels] += exact / static_cast<double>(rows);
        noise[i % channels] += squared;
        all_noise += squared;
        error.signal += exact * exact;
        error.quantized += found * found;
        error.dot += found * exact;
    }
    for (std::size_t i = 0; i < y.size(); ++i) {
        const double apart = static_cast<double>(y[i]) - mean[i % channels];
        variance[i % channels] += apart * apart;
    }
    std::size_t varying = 0;
    for (std::size_t channel = 0; channel < channels; ++channel) {
        // What a mean's own rounding leaves of a constant channel is no signal.
        const double constant = mean[channel] * mean[channel] * static_cast<double>(rows) * 0x1p-40;
        if (variance[channel] <= constant) continue;
        error.energy += noise[channel] / variance[channel];
        varying++;
    }
    if (varying > 0)
        error.energy /= static_cast<double>(varying);
    else if (all_noise > 0)
        error.energy = error.signal > 0 ? all_noise / error.signal : std::numeric_limits<double>::max();
    return error;
}

std::vector<float> float_product(const Matrices& matrices) {
    const auto m = static_cast<std::size_t>(matrices.m), k = static_cast<std::size_t>(matrices.k),
               n = static_cast<std::size_t>(matrices.n);
    std::vector<float> y(m * n);
    for (std::size_t column = 0; column < n; ++column) {
        for (std::size_t row = 0; row < m; ++row)
            y[row * n + column] = dot(matrices.x.data() + row * k, matrices.w.data() + column * k, k);
    }
    return y;
}

namespace {

Result<ProductError> error_in(Precision precision, const Matrices& matrices, std::span<const float> reference,
                              IsaSet isas) {
    const auto [x, w, m, k, n] = matrices;
    const Result<Linear> linear = Linear::pack({w.data(), DataType::kF32, n, k, k}, {}, {.precision = precision}, isas);
    if (!linear.ok()) return linear.status();
    std::vector<float> y(reference.size());
    Workspace workspace;
    Status status =
        linear.value().run({x.data(), DataType::kF32, m, k, k}, {y.data(), DataType::kF32, m, n, n}, workspace);
    if (!status.ok()) return status;
    return compare_products(reference, y, n);
}

}  // namespace

Result<ProductError> int8_error(const Matrices& matrices, std::span<const float> reference, IsaSet isas) {
    return error_in(Precision::kInt8, matrices, reference, isas);
}

Result<std::optional<ProductError>> fp16_error(const Matrices& matrices, std::span<const float> reference,
                                               IsaSet isas) {
    const Result<ProductError> error = error_in(Precision::kFp16, matrices, reference, isas);
    if (error.status().code() == StatusCode::kNonFinite) return std::optional<ProductError>();
    if (!error.ok()) return error.status();
    // Sums beyond f16, where it is what adds.
    const bool finite = std::isfinite(error.value().energy);
    return finite ? std::optional(error.value()) : std::nullopt;
}

std::vector<OutlierChannel> find_outliers(std::span<const float> x, std::int64_t k) {
    constexpr double kMassive = 100, kMassiveRatio = 1000;
    if (x.empty()) return {};
    ChannelObserver observer(k);
    observer.observe(x);
    const auto median = [](std::vector<float> values) {
        const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
        std::nth_element(values.begin(), middle, values.end());
        return static_cast<double>(*middle);
    };
    const double median_absmax = median(observer.absmax());
    std::vector<float> magnitudes(x.begin(), x.end());
    for (float& value : magnitudes)
        value = std::fabs(value);
    const double median_magnitude = median(std::move(magnitudes));
    std::vector<OutlierChannel> outliers;
    for (std::size_t channel = 0; channel < observer.absmax().size(); ++channel) {
        const double absmax = static_cast<double>(observer.absmax()[channel]);
        if (!(median_absmax > 0) || absmax < kOutlierRatio * median_absmax) continue;
        outliers.push_back({static_cast<std::int64_t>(channel), absmax, absmax / median_absmax,
                            absmax > kMassive && absmax > kMassiveRatio * median_magnitude});
    }
    std::stable_sort(outliers.begin(), outliers.end(),
                     [](const OutlierChannel& a, const OutlierChannel& b) { return a.absmax > b.absmax; });
    return outliers;
}

}  // namespace octile
