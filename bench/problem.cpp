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

// Truncated: any bf16 will do, as the reference reads back what is stored.
std::uint16_t to_bf16(float value) {
    return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
}
float from_bf16(std::uint16_t value) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

float element(const void* data, Element type, std::size_t at) {
    switch (type) {
        case Element::kS8:
            return static_cast<const std::int8_t*>(data)[at];
        case Element::kU8:
            return static_cast<float>(static_cast<const std::uint8_t*>(data)[at] - 128);
        case Element::kS16:
            return static_cast<const std::int16_t*>(data)[at];
        case Element::kF16:
            return reference::half_to_float(static_cast<const std::uint16_t*>(data)[at]);
        case Element::kF32:
            return static_cast<const float*>(data)[at];
    }
    return 0;
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

std::int64_t Problem::padded_k() const {
    return (shape_.k + kReductionPadding - 1) / kReductionPadding * kReductionPadding;
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
            narrow.push_back(type == DataType::kF16 ? reference::float_to_half(value) : to_bf16(value));
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
                result.push_back(type == DataType::kF16 ? reference::half_to_float(bits) : from_bf16(bits));
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

Status Problem::check_output(const void* y, DataType type, Precision precision, Element panel,
                             Activation activation) const {
    const std::vector<std::int64_t> rows = sample(Side::kRows);
    const auto m = rows.size(), k = static_cast<std::size_t>(shape_.k), n = static_cast<std::size_t>(shape_.n);
    std::vector<float> expected;
    std::vector<double> tolerance(m * n, 0.0);
    if (precision == Precision::kInt8) {
        expected = reference::linear_s8(reference::quantize_rows(values(Side::kRows, DataType::kF32, rows), m, k),
                                        quantized_weights(), bias_, activation);
        if (type == DataType::kF16) {
            for (float& value : expected)
                value = reference::half_to_float(reference::float_to_half(value));
        }
    } else {
        std::vector<std::int64_t> all(n);
        std::iota(all.begin(), all.end(), 0);
        const std::vector<reference::ExactOutput> exact = reference::linear_exact(
            values(Side::kRows, DataType::kF16, rows), values(Side::kWeights, DataType::kF16, all), bias_, m, k, n);
        const auto arithmetic =
            panel == Element::kF16 ? reference::Fp16Arithmetic::kF16 : reference::Fp16Arithmetic::kF32;
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
            const float found = element(y, type == DataType::kF16 ? Element::kF16 : Element::kF32, at);
            const float want = expected[i * n + column];
            // Written so that a NaN is an error.
            if (!(std::abs(static_cast<double>(found) - static_cast<double>(want)) <= tolerance[i * n + column])) {
                return wrong("y", rows[i], static_cast<std::int64_t>(column), found, want);
            }
        }
    }
    return {};
}

Status Problem::check_panel(const KernelInfo& kernel, Side side, const void* panel, const float* scales) const {
    const std::vector<std::int64_t> rows = sample(side);
    const auto k = static_cast<std::size_t>(shape_.k);
    std::vector<float> expected = values(side, kernel.input, rows);
    std::optional<reference::QuantizedRows> quantized;
    if (scales) {
        quantized = side == Side::kRows ? reference::quantize_rows(expected, rows.size(), k)
                                        : reference::quantize_weights(expected, rows.size(), k);
        expected.assign(quantized->values.begin(), quantized->values.end());
    } else {
        for (float& value : expected)
            value = reference::half_to_float(reference::float_to_half(value));
    }
    const std::int64_t tile = side == Side::kRows ? kernel.tile_m : kernel.tile_n, block = kernel.k_block;
    for (std::size_t i = 0; i < rows.size(); i++) {
        const std::int64_t row = rows[i];
        if (quantized && scales[row] != quantized->scales[i])
            return wrong("scale", row, 0, scales[row], quantized->scales[i]);
        for (std::int64_t at = 0; at < padded_k(); at++) {
            const std::int64_t index =
                ((row / tile * (padded_k() / block) + at / block) * tile + row % tile) * block + at % block;
            const float found = element(panel, kernel.panel, static_cast<std::size_t>(index));
            const float want = at < shape_.k ? expected[i * k + static_cast<std::size_t>(at)] : 0.0f;
            if (found != want) return wrong("panel", row, at, found, want);
        }
    }
    return {};
}

}  // namespace octile::bench
