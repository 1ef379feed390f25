#include "runtime/matrix.h"

#include <fmt/format.h>
#include <fp16.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "octile/layer.h"

namespace octile {
namespace {

#if defined(__x86_64__)
#define OCTILE_OF_EVERY_LEVEL [[gnu::target("avx2")]]
#else
#define OCTILE_OF_EVERY_LEVEL
#endif

// Magnitude bits order like integers. Called where there are FP16 kernels, of which x86's lowest level has AVX2.
template <typename Bits>
OCTILE_OF_EVERY_LEVEL Bits largest_magnitude(const Bits* values, std::int64_t count, Bits mask) {
    Bits largest = 0;
    for (std::int64_t i = 0; i < count; i++)
        largest = std::max<Bits>(largest, values[i] & mask);
    return largest;
}

}  // namespace

Status invalid(std::string message) {
    return Status(StatusCode::kInvalidArgument, std::move(message));
}

Status out_of_memory(std::size_t bytes) {
    return Status(StatusCode::kOutOfMemory, fmt::format("cannot allocate {} bytes", bytes));
}

Status check_matrix(const char* what, const MatrixView& view) {
    if (view.rows < 0 || view.columns < 1 || view.rows > kMaxExtent || view.columns > kMaxExtent) {
        return invalid(fmt::format("{}: shape [{}, {}]; expected extents from 1 to {}", what, view.rows, view.columns,
                                   kMaxExtent));
    }
    if (view.row_stride < view.columns || view.row_stride > kMaxExtent) {
        return invalid(
            fmt::format("{}: row stride {}; expected {} to {}", what, view.row_stride, view.columns, kMaxExtent));
    }
    if (view.rows > kMaxElements / view.row_stride) {
        return invalid(fmt::format("{}: {} rows of {} elements; expected at most {} elements in all", what, view.rows,
                                   view.row_stride, kMaxElements));
    }
    if (view.rows > 0 && !view.data) return invalid(fmt::format("{}: no data", what));
    return {};
}

float element_at(const MatrixView& view, std::int64_t at) {
    if (view.type == DataType::kF32) return static_cast<const float*>(view.data)[at];
    const std::uint16_t bits = static_cast<const std::uint16_t*>(view.data)[at];
    if (view.type == DataType::kF16) return fp16_ieee_to_fp32_value(bits);
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

std::int64_t first_non_finite(const float* values, std::int64_t count) {
    for (std::int64_t i = 0; i < count; i++) {
        if (!std::isfinite(values[i])) return i;
    }
    return -1;
}

bool all_finite_f16(const std::uint16_t* values, std::int64_t count) {
    return largest_magnitude<std::int16_t>(reinterpret_cast<const std::int16_t*>(values), count, 0x7fff) < 0x7c00;
}

bool all_finite_f32(const std::uint32_t* values, std::int64_t count) {
    constexpr std::int32_t kMagnitude = 0x7fffffff, kInfinity = 0x7f800000;
    return largest_magnitude<std::int32_t>(reinterpret_cast<const std::int32_t*>(values), count, kMagnitude) <
           kInfinity;
}

std::int64_t first_beyond_f16(const MatrixView& view) {
    constexpr float kFirstBeyond = 65520;  // half way from 65504 to 2^16, from where on rounding gives infinity
    for (std::int64_t row = 0; row < view.rows; row++) {
        for (std::int64_t column = 0; column < view.columns; column++) {
            const float magnitude = std::abs(element_at(view, row * view.row_stride + column));
            if (magnitude >= kFirstBeyond && std::isfinite(magnitude)) return row;
        }
    }
    return -1;
}

HalideBuffer matrix_buffer(const MatrixView& view) {
    return HalideBuffer(
        view.data, halide_type_of(view.type),
        std::initializer_list<HalideBuffer::Dimension>{{view.columns, 1}, {view.rows, view.row_stride}});
}

HalideBuffer matrix_buffer(const MutableMatrixView& view) {
    return matrix_buffer(as_const(view));
}

}  // namespace octile
