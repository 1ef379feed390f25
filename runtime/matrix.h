// Checks and Halide views of the matrices that callers hand in.
#pragma once

#include <cstdint>
#include <string>

#include "octile/linear.h"
#include "octile/status.h"
#include "runtime/halide_call.h"

namespace octile {

// Halide counts the elements of a buffer in an int32.
inline constexpr std::int64_t kMaxElements = 2147483647;

constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

Status invalid(std::string message);
Status out_of_memory(std::size_t bytes);

// kInvalidArgument, naming `what`, unless the extents are from 1 to kMaxExtent (rows from 0), the elements with their
// padding at most kMaxElements, and there is data.
Status check_matrix(const char* what, const MatrixView& view);

// The element of f32, f16 or bf16 that is `at` elements behind the first.
float element_at(const MatrixView& view, std::int64_t at);

// The first of `count` values that is NaN or infinite, or -1.
std::int64_t first_non_finite(const float* values, std::int64_t count);

// Whether none of these is NaN or infinity, given as bits; the compiler vectorizes it.
bool all_finite_f16(const std::uint16_t* values, std::int64_t count);
bool all_finite_f32(const std::uint32_t* values, std::int64_t count);

// The first row of f32 or bf16 that holds a finite number of which f16 makes an infinity, or -1.
std::int64_t first_beyond_f16(const MatrixView& view);

constexpr MatrixView as_const(const MutableMatrixView& view) {
    return {view.data, view.type, view.rows, view.columns, view.row_stride};
}

// Rows [first, first + count) and columns [column, column + columns) of a matrix.
template <typename View>
View block_of(const View& view, std::int64_t first, std::int64_t count, std::int64_t column, std::int64_t columns) {
    using Byte = std::conditional_t<std::is_same_v<View, MatrixView>, const std::byte, std::byte>;
    auto* data = static_cast<Byte*>(view.data) +
                 (first * view.row_stride + column) * static_cast<std::int64_t>(size_of(view.type));
    return {data, view.type, count, columns, view.row_stride};
}

HalideBuffer matrix_buffer(const MatrixView& view);
HalideBuffer matrix_buffer(const MutableMatrixView& view);

}  // namespace octile
