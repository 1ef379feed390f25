#include "bench/problem.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "base/check.h"
#include "tests/reference/half.h"
#include "tests/reference/linear.h"
#include "tests/reference/tolerance.h"

namespace octile::bench {
namespace {

std::vector<float> draw(std::int64_t count, std::mt19937& random) {
    // Not normal_distribution: its values differ between standard libraries.
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values)
        value = static_cast<float>(random()) * 0x1p-31f - 1.0f;
    return values;
}

float element(const void* data, DataType type, std::size_t at) {
    switch (type) {
        case DataType::kF16:
            return reference::half_to_float(static_cast<const std::uint16_t*>(data)[at]);
        case DataType::kBF16:
            return reference::bf16_to_float(static_cast<const std::uint16_t*>(data)[at]);
        case DataType::kI8:
            return static_cast<const std::int8_t*>(data)[at];
        case DataType::kF32:
            break;
    }
    return static_cast<const float*>(data)[at];
}

// What a type keeps of a value.
float rounded_to(DataType type, float value) {
    if (type == DataType::kF16) return reference::half_to_float(reference::float_to_half(value));
    if (type == DataType::kBF16) return reference::bf16_to_float(reference::float_to_bf16(value));
    return value;
}

Status wrong(const char* what, std::int64_t row, std::int64_t column, double found, double expected) {
    return Status(StatusCode::kInternal,
                  fmt::format("wrong result: {}[{}, {}] is {}, expected {}", what, row, column, found, expected));
}

}  // namespace

Problem::Problem(const Shape& shape) : shape_(shape) {
    std::mt19937 random(1);
    x_ = draw(shape.m * shape.k, random);
    w_ = draw(shape.n * shape.k, random);
    bias_ = draw(shape.n, random);
}

MatrixView Problem::matrix(Side side, DataType type) const {
    const std::vector<float>& source = side == Side::kRows ? x_ : w_;
    MatrixView view{source.data(), type, side == Side::kRows ? shape_.m : shape_.n, shape_.k, shape_.k};
    if (type == DataType::kF32) return view;
    OCTILE_CHECK_EQ(size_of(type), sizeof(std::uint16_t));
    std::vector<std::uint16_t>& narrow = narrow_[{side, type}];
    if (narrow.empty()) {
        narrow.reserve(source.size());
        for (const float value : source) {
            narrow.push_back(type == DataType::kF16 ? reference::float_to_half(value)
                                                    : reference::float_to_bf16(value));
        }
    }
    view.data = narrow.data();
    return view;
}

std::vector<float> Problem::values(Side side, DataType type, std::span<const std::int64_t> rows) const {
    const MatrixView view = matrix(side, type);
    std::vector<float> result;
    result.reserve(rows.size() * static_cast<std::size_t>(shape_.k));
    for (const std::int64_t row : rows) {
        for (std::int64_t i = row * shape_.k; i < (row + 1) * shape_.k; i++) {
            if (type == DataType::kF32) {
                result.push_back(static_cast<const float*>(view.data)[i]);
            } else {
                const std::uint16_t bits = static_cast<const std::uint16_t*>(view.data)[i];
                result.push_back(type == DataType::kF16 ? reference::half_to_float(bits)
                                                        : reference::bf16_to_float(bits));
            }
        }
    }
    return result;
}

std::vector<std::int64_t> Problem::sample(Side side) const {
    const std::int64_t count = side == Side::kRows ? shape_.m : shape_.n;
    std::vector<std::int64_t> rows = {0};
    for (const std::int64_t row : {count / 2, count - 1}) {
        if (row != rows.back()) rows.push_back(row);
    }
    return rows;
}

const reference::QuantizedRows& Problem::quantized_weights() const {
    if (!quantized_weights_) {
        quantized_weights_ =
            reference::quantize_weights(w_, static_cast<std::size_t>(shape_.n), static_cast<std::size_t>(shape_.k));
    }
    return *quantized_weights_;
}

Status Problem::check_output(const void* y, DataType type, Precision precision, bool f16_arithmetic,
                             Activation activation, DataType input) const {
    const std::vector<std::int64_t> rows = sample(Side::kRows);
    const auto m = rows.size(), k = static_cast<std::size_t>(shape_.k), n = static_cast<std::size_t>(shape_.n);
    std::vector<float> expected, x = values(Side::kRows, input, rows);
    std::vector<double> tolerance(m * n, 0.0);
    if (precision == Precision::kInt8) {
        expected = reference::linear_s8(reference::quantize_rows(x, m, k), quantized_weights(), bias_, activation);
        for (float& value : expected)
            value = rounded_to(type, value);
    } else {
        for (float& value : x)
            value = rounded_to(DataType::kF16, value);
        std::vector<std::int64_t> all(n);
        std::iota(all.begin(), all.end(), 0);
        const std::vector<reference::ExactOutput> exact =
            reference::linear_exact(x, values(Side::kWeights, DataType::kF16, all), bias_, m, k, n);
        const auto arithmetic = f16_arithmetic ? reference::Fp16Arithmetic::kF16 : reference::Fp16Arithmetic::kF32;
        for (std::size_t i = 0; i < exact.size(); i++) {
            const double value = reference::exact::activate(activation, exact[i].value);
            expected.push_back(static_cast<float>(value));
            tolerance[i] = reference::output_tolerance(reference::accumulator_tolerance(exact[i], k, arithmetic),
                                                       exact[i].value, value, activation, type);
        }
    }
    for (std::size_t i = 0; i < m; i++) {
        for (std::size_t column = 0; column < n; column++) {
            const std::size_t at = static_cast<std::size_t>(rows[i]) * n + column;
            const float found = element(y, type, at);
            const float want = expected[i * n + column];
            // Written so that a NaN is an error.
            if (!(std::abs(static_cast<double>(found) - static_cast<double>(want)) <= tolerance[i * n + column])) {
                return wrong("y", rows[i], static_cast<std::int64_t>(column), found, want);
            }
        }
    }
    return {};
}

}  // namespace octile::bench
