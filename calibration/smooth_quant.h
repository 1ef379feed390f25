// SmoothQuant (Xiao et al., arXiv:2211.10438): moves scale from activations, whose outliers INT8 suffers from, into the
// weights behind them, which are quantized per output channel and bear it.
//
//   x = norm(...) * gamma + beta        y = x w^T
//   gamma' = gamma / s, beta' = beta / s     w'[n, k] = w[n, k] * s[k]     y' = x' w'^T = y
//   s[k] = absmax_x[k]^alpha / absmax_w[k]^(1 - alpha), rounded to a power of two
//
// Powers of two make it exact: as long as nothing overflows or becomes subnormal, every product x'[k] w'[n, k] has the
// bits of x[k] w[n, k], and so has every sum of them. Rounding moves s by at most a factor of sqrt(2).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace octile {

// The values of alpha that are tried where none is given.
inline constexpr std::array kAlphaGrid = {0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};

// The largest magnitude of each channel over all rows seen.
class ChannelObserver {
  public:
    explicit ChannelObserver(std::int64_t channels) : absmax_(static_cast<std::size_t>(channels)) {}

    // Whole rows, one after the other.
    void observe(std::span<const float> rows);

    const std::vector<float>& absmax() const { return absmax_; }

  private:
    std::vector<float> absmax_;
};

// s of the formula above, with alpha from 0 to 1; 1 for a channel whose activations or weights are all zero. Both spans
// have one value per channel. Exponents are kept within -24 to 24.
std::vector<float> smoothing_scales(std::span<const float> absmax_x, std::span<const float> absmax_w, double alpha);

// gamma / s or beta / s, in place; empty for a norm without.
void fold_into_norm(std::span<const float> scales, std::span<float> parameter);

// w[n, k] * s[k], in place; n times as many weights as scales.
void fold_into_weights(std::span<const float> scales, std::span<float> weights);

// x / s, in place: what the folded norm puts out.
void smooth_rows(std::span<const float> scales, std::span<float> rows);

}  // namespace octile
