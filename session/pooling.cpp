#include "session/pooling.h"

#include <algorithm>
#include <cmath>

namespace octile {
namespace {

// The sum of the rows, each times its weight, from the first to the last.
template <typename Weight>
void sum_rows(const MatrixView& x, float* y, Weight weight) {
    std::fill_n(y, x.columns, 0.0f);
    for (std::int64_t row = 0; row < x.rows; row++) {
        const float* values = static_cast<const float*>(x.data) + row * x.row_stride;
        const float w = weight(row);
        for (std::int64_t k = 0; k < x.columns; k++)
            y[k] += values[k] * w;
    }
}

void divide(float* y, std::int64_t columns, float by) {
    for (std::int64_t k = 0; k < columns; k++)
        y[k] /= by;
}

void largest_of_rows(const MatrixView& x, float* y) {
    const auto* values = static_cast<const float*>(x.data);
    std::copy_n(values, x.columns, y);
    for (std::int64_t row = 1; row < x.rows; row++) {
        values += x.row_stride;
        // A NaN stays one.
        for (std::int64_t k = 0; k < x.columns; k++)
            y[k] = values[k] > y[k] || std::isnan(values[k]) ? values[k] : y[k];
    }
}

}  // namespace

Status pool_rows(const NetworkKernels& kernels, Pooling pooling, const MatrixView& x, float* y) {
    const auto count = static_cast<float>(x.rows);
    switch (pooling) {
        case Pooling::kMean:
            return mean_of_rows(kernels, x, y);
        case Pooling::kFirst:
        case Pooling::kLast: {
            const std::int64_t row = pooling == Pooling::kFirst ? 0 : x.rows - 1;
            std::copy_n(static_cast<const float*>(x.data) + row * x.row_stride, x.columns, y);
            break;
        }
        case Pooling::kMax:
            largest_of_rows(x, y);
            break;
        case Pooling::kMeanSqrtLength:
            sum_rows(x, y, [](std::int64_t) { return 1.0f; });
            divide(y, x.columns, std::sqrt(count));
            break;
        case Pooling::kWeightedMean:
            sum_rows(x, y, [](std::int64_t row) { return static_cast<float>(row + 1); });
            divide(y, x.columns, count * (count + 1) / 2);
            break;
    }
    return {};
}

}  // namespace octile
