// A block of a linear's rows: read from the checkpoint, quantized by a kernel, and laid out for every level asked for.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "inputs/linear_tensors.h"
#include "octile/linear.h"
#include "runtime/aligned_buffer.h"
#include "runtime/weight_layout.h"

namespace octile {

class BlockPacker {
  public:
    // `smoothing`: s of SmoothQuant; empty: none. It is not for weights that came as int8.
    BlockPacker(const LinearTensor& tensor, Precision precision, std::span<const float> smoothing, IsaSet isas);

    // Rows [first, first + count). Errors name the output channel of the whole layer.
    Status load(std::int64_t first, std::int64_t count);

    // Of what was loaded; until the next load().
    std::span<const float> scale() const { return scale_; }            // INT8
    std::span<const std::int32_t> column_sum() const { return sum_; }  // INT8
    // Panels of `columns` output channels, in this layout.
    std::span<const std::byte> panels(const WeightLayout& layout, std::int64_t columns);

  private:
    Result<Linear> pack(std::int64_t first, std::int64_t count);

    const LinearTensor& tensor_;
    Precision precision_;
    std::span<const float> smoothing_;
    IsaSet isas_;
    std::vector<float> floats_;
    AlignedBuffer copy_, rows_, panels_;
    std::int64_t count_ = 0;
    std::vector<float> scale_;
    std::vector<std::int32_t> sum_;
};

}  // namespace octile
