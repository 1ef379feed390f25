// Weights [n, k] of one linear, however they lie in the tensors of a checkpoint.
//
//   w[row, column] = element(offset + row * row_stride + column * column_stride) * (scale(block) / divisor)
//
// Most lie as they are: offset 0, rows side by side, no scale. Conv1D of GPT-2 lies [K, N]; q, k and v of a fused
// projection are rows of one tensor, experts are matrices of one; int8 levels and float8 have scales beside them, one
// for each block of rows and columns. Levels of few bits lie packed in words (packed_levels.h) instead of all that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inputs/packed_levels.h"
#include "inputs/tensor_info.h"

namespace octile {

struct WeightScale {
    const TensorInfo* tensor = nullptr;  // row-major, [ceil(rows / block_rows), ceil(columns / block_columns)]
    std::int64_t block_rows = 1;
    std::int64_t block_columns = 1;
    float divisor = 1;  // of every value of it
};

struct WeightMatrix {
    const TensorInfo* tensor = nullptr;
    std::int64_t n = 0;
    std::int64_t k = 0;
    // In elements of the tensor.
    std::int64_t offset = 0;
    std::int64_t row_stride = 0;
    std::int64_t column_stride = 1;
    std::optional<WeightScale> scale = {};
    std::int64_t first_row = 0;  // the row of `scale`'s matrix, or of `packed`, that row 0 is
    std::optional<PackedLevels> packed = {};

    // All of a 2-D tensor, [n, k] or, transposed, [k, n].
    static WeightMatrix of(const TensorInfo& tensor, bool transposed = false);
    // Matrix `index` of a 3-D tensor [count, n, k] or, transposed, [count, k, n].
    static WeightMatrix of(const TensorInfo& tensor, std::int64_t index, bool transposed);

    // `count` rows from `first` on, as a matrix of their own.
    WeightMatrix rows(std::int64_t first, std::int64_t count) const;

    bool transposed() const { return row_stride == 1 && column_stride != 1; }
    // Levels of int8 with one scale for each row, or for all; packed ones that are the same are too.
    bool is_int8() const;
    // Whether rows lie side by side as values of an element type that Linear::pack() takes, and mean what they say.
    bool in_place() const;

    // Of n * k elements as they are stored; scales do not count.
    std::size_t bytes() const;
    // Where a matrix lies in the file, with whatever lies between its rows. Of packed levels, all of them. Of rows in
    // pairs (TensorInfo::paired_rows), whole heads are.
    std::span<const std::byte> span() const;
};

// In what fewer bits the weights came, "GPTQ of 4 bits, groups of 128" or "Q4_K"; empty: in none.
std::string stored_form(const WeightMatrix& weights);

// All rows, [n, k]: exact but for F64, and for what has scales, which are rounded to f32 once.
std::vector<float> values_of(const WeightMatrix& weights);

// Of a matrix that is_int8(). A row whose scale is 0 stands for zeros: its levels are 0, whatever the file has, and its
// scale is that of a row of zeros (docs/quantization.md).
struct Int8Rows {
    std::vector<std::int8_t> levels;  // [n, k]
    std::vector<float> scales;        // [n]
};
Int8Rows int8_rows_of(const WeightMatrix& weights);

}  // namespace octile
