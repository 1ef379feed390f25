// How far a linear's INT8 or FP16 product is from the product of its floats.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octile/cpu.h"
#include "octile/status.h"

namespace octile {

// Of the float product y [m, n] and the INT8 one q. The signal of an output channel is what it varies by from row to
// row: a channel that is large in every row would hide the noise of all others (docs/accuracy.md).
struct ProductError {
    // Mean over the channels of sum (q - y)^2 / sum (y - mean y)^2; where no channel varies, as with a single row, sum
    // (q
    // - y)^2 / sum y^2 over all.
    double energy = 0;
    double signal = 0;     // y^2
    double quantized = 0;  // q^2
    double dot = 0;        // q y

    double sqnr_db() const;  // -10 log10(energy), infinite without noise
    double cosine() const;   // dot / sqrt(signal quantized); 1 where both are 0
};

// The error of q against y, [m, n] each.
ProductError compare_products(std::span<const float> y, std::span<const float> q, std::int64_t n);

struct Matrices {
    std::span<const float> x;  // [m, k]
    std::span<const float> w;  // [n, k]
    std::int64_t m = 0, k = 0, n = 0;
};

// x w^T [m, n] in binary32, added up in double every 256 products: relative to the magnitudes it is better than 2^-16
// at any k, 96 dB, where INT8 reaches 40.
std::vector<float> float_product(const Matrices& matrices);

// x and w quantized and multiplied by octile::Linear, the arithmetic of docs/quantization.md, against `reference`, the
// float product. Errors are Linear's, kNonFinite for weights or rows that hold NaN or infinity among them.
Result<ProductError> int8_error(const Matrices& matrices, std::span<const float> reference, IsaSet isas);

// The same in FP16. Nothing where f16 does not hold x, w or their sums.
Result<std::optional<ProductError>> fp16_error(const Matrices& matrices, std::span<const float> reference, IsaSet isas);

// A channel of x that is far larger than the others. INT8 scales a row by its largest value, so that such a channel
// leaves few levels for the rest.
struct OutlierChannel {
    std::int64_t channel = 0;
    double absmax = 0;
    double ratio = 0;  // absmax over the median of all channels' absmax
    // Holds a massive activation in the sense of Sun et al. (arXiv:2402.17762): above 100 and 1000 times the median
    // magnitude of all values.
    bool massive = false;
};

// From this ratio on a channel is an outlier.
inline constexpr double kOutlierRatio = 10;

// The outliers of x [m, k], largest first.
std::vector<OutlierChannel> find_outliers(std::span<const float> x, std::int64_t k);

}  // namespace octile
