#include "inputs/weight_matrix.h"

#include <algorithm>

#include "base/check.h"
#include "inputs/gguf/types.h"
#include "inputs/tensor_values.h"

namespace octile {
namespace {

// docs/quantization.md: of a row whose levels are all 0.
constexpr float kScaleOfZeros = 1e-8f / 127;

std::vector<float> values_of(const WeightScale& scale) {
    std::vector<float> values = octile::values_of(*scale.tensor);
    if (scale.divisor != 1) {
        for (float& value : values)
            value /= scale.divisor;
    }
    return values;
}

// One for each row, of scales that do not change along it.
std::vector<float> row_scales(const WeightMatrix& weights) {
    const WeightScale& scale = *weights.scale;
    const std::vector<float> values = values_of(scale);
    std::vector<float> rows(static_cast<std::size_t>(weights.n));
    for (std::int64_t row = 0; row < weights.n; row++) {
        const auto block = static_cast<std::size_t>((weights.first_row + row) / scale.block_rows);
        rows[static_cast<std::size_t>(row)] = values.at(block);
    }
    return rows;
}

// Differences of levels and zeros, with the scales of the file.
Int8Rows int8_rows_of_packed(const WeightMatrix& weights) {
    const PackedLevels& packed = *weights.packed;
    Int8Rows rows{levels_of(packed, weights.first_row, weights.n, weights.k), {}};
    for (std::int64_t row = 0; row < weights.n; row++) {
        float& scale = rows.scales.emplace_back(packed.scale_at(weights.first_row + row, 0));
        if (scale != 0) continue;
        scale = kScaleOfZeros;
        const auto first = rows.levels.begin() + row * weights.k;
        std::fill(first, first + weights.k, std::int8_t{0});
    }
    return rows;
}

}  // namespace

WeightMatrix WeightMatrix::of(const TensorInfo& tensor, bool transposed) {
    OCTILE_CHECK_EQ(tensor.shape.size(), std::size_t{2});
    const std::int64_t rows = tensor.shape[0], columns = tensor.shape[1];
    WeightMatrix weights{.tensor = &tensor, .n = rows, .k = columns, .row_stride = columns};
    if (!transposed) return weights;
    std::swap(weights.n, weights.k);
    weights.row_stride = 1;
    weights.column_stride = columns;
    return weights;
}

WeightMatrix WeightMatrix::of(const TensorInfo& tensor, std::int64_t index, bool transposed) {
    OCTILE_CHECK_EQ(tensor.shape.size(), std::size_t{3});
    const std::int64_t rows = tensor.shape[1], columns = tensor.shape[2];
    WeightMatrix weights{.tensor = &tensor,
                         .n = transposed ? columns : rows,
                         .k = transposed ? rows : columns,
                         .offset = index * rows * columns,
                         .row_stride = transposed ? 1 : columns,
                         .column_stride = transposed ? columns : 1};
    return weights;
}

WeightMatrix WeightMatrix::rows(std::int64_t first, std::int64_t count) const {
    WeightMatrix part = *this;
    part.n = count;
    part.offset += first * row_stride;
    part.first_row += first;
    return part;
}

bool WeightMatrix::is_int8() const {
    if (packed) return is_int8_by_channel(*packed);
    return tensor && tensor->type == DataType::kI8 && scale && scale->block_columns >= k;
}

bool WeightMatrix::in_place() const {
    return tensor && tensor->type && *tensor->type != DataType::kI8 && !scale && column_stride == 1;
}

std::size_t WeightMatrix::bytes() const {
    if (packed) return static_cast<std::size_t>(n * k * packed->levels.bits / 8);
    return bytes_of(*tensor, 0, n * k).size();
}

std::span<const std::byte> WeightMatrix::span() const {
    if (n == 0 || k == 0) return {};
    if (packed) return tensor->data;
    const std::int64_t last = offset + (n - 1) * row_stride + (k - 1) * column_stride;
    return bytes_of(*tensor, offset, last - offset + 1);
}

std::string stored_form(const WeightMatrix& weights) {
    if (weights.packed) return form_text(*weights.packed, weights.k);
    const GgufType* const blocks = weights.tensor ? block_type(weights.tensor->dtype) : nullptr;
    return blocks ? std::string(blocks->name) : "";
}

std::vector<float> values_of(const WeightMatrix& weights) {
    if (weights.packed) return values_of(*weights.packed, weights.first_row, weights.n, weights.k);
    std::vector<float> values(static_cast<std::size_t>(weights.n * weights.k));
    const std::span<float> all(values);
    const auto k = static_cast<std::size_t>(weights.k);
    // Along the file, whichever way that is: a matrix that lies [k, n] is read a row of the file at a time.
    if (weights.column_stride == 1) {
        for (std::int64_t row = 0; row < weights.n; row++)
            read_values(*weights.tensor, weights.offset + row * weights.row_stride, 1,
                        all.subspan(static_cast<std::size_t>(row) * k, k));
    } else {
        std::vector<float> column(static_cast<std::size_t>(weights.n));
        for (std::size_t at = 0; at < k; at++) {
            read_values(*weights.tensor, weights.offset + static_cast<std::int64_t>(at) * weights.column_stride,
                        weights.row_stride, column);
            for (std::size_t row = 0; row < column.size(); row++)
                values[row * k + at] = column[row];
        }
    }
    if (!weights.scale) return values;
    const WeightScale& scale = *weights.scale;
    const std::vector<float> scales = values_of(scale);
    const auto across = static_cast<std::size_t>((weights.k + scale.block_columns - 1) / scale.block_columns);
    for (std::size_t i = 0; i < values.size(); i++) {
        const auto row =
            (static_cast<std::size_t>(weights.first_row) + i / k) / static_cast<std::size_t>(scale.block_rows);
        const std::size_t column = i % k / static_cast<std::size_t>(scale.block_columns);
        values[i] *= scales[row * across + column];
    }
    return values;
}

Int8Rows int8_rows_of(const WeightMatrix& weights) {
    OCTILE_CHECK_EQ(weights.is_int8(), true);
    if (weights.packed) return int8_rows_of_packed(weights);
    Int8Rows rows{std::vector<std::int8_t>(static_cast<std::size_t>(weights.n * weights.k)), row_scales(weights)};
    const std::byte* const data = weights.tensor->data.data() + weights.offset;
    for (std::int64_t row = 0; row < weights.n; row++) {
        float& scale = rows.scales[static_cast<std::size_t>(row)];
        if (scale == 0) {
            scale = kScaleOfZeros;
            continue;
        }
        for (std::int64_t column = 0; column < weights.k; column++)
            rows.levels[static_cast<std::size_t>(row * weights.k + column)] =
                static_cast<std::int8_t>(data[row * weights.row_stride + column * weights.column_stride]);
    }
    return rows;
}

}  // namespace octile
