#include "runtime/matrix.h"

#include <fmt/format.h>

#include <cmath>

#include "octile/layer.h"

namespace octile {

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

std::int64_t first_non_finite(const float* values, std::int64_t count) {
    for (std::int64_t i = 0; i < count; i++) {
        if (!std::isfinite(values[i])) return i;
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
