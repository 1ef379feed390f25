// A block of a linear's rows: read from the checkpoint, quantized by a kernel, and laid out for every level asked for.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "inputs/linear_tensors.h"
#include "octile/linear.h"
#include "runtime/aligned_buffer.h"
#include "runtime/int4_fit.h"
#include "runtime/weight_layout.h"

namespace octile {

class BlockPacker {
  public:
    // `smoothing`: s of SmoothQuant; empty: none. It is not for weights that came as int8.
    BlockPacker(const LinearTensor& tensor, Precision precision, std::span<const float> smoothing, IsaSet isas);

    // From now on, sqnr_db() is of what is loaded: the squares of the weights over those of what packing changed.
    // For weights that do not lie in the file as they are packed (WeightMatrix::in_place()).
    void measure_error() { measures_ = true; }
    double sqnr_db() const;  // infinite where nothing changed

    // Rows [first, first + count). Errors name the output channel of the whole layer.
    Status load(std::int64_t first, std::int64_t count);

    // Of what was loaded; until the next load().
    std::span<const float> scale() const { return scale_; }            // not of FP16
    std::span<const std::int32_t> column_sum() const { return sum_; }  // not of FP16
    // Panels of `columns` output channels, in this layout; of INT4 as many pairs as the rows loaded fill.
    std::span<const std::byte> panels(const WeightLayout& layout, std::int64_t columns);
    // Of INT4, what goes with the panels that were asked for last.
    std::span<const std::byte> steps() const;

  private:
    // The weights as floats.
    Result<MatrixView> floats(const WeightMatrix& rows);
    Result<Linear> pack(std::int64_t first, std::int64_t count);
    Status load_int4(std::int64_t first, std::int64_t count);
    std::span<const std::byte> int4_panels(const WeightLayout& layout);
    void add_error();

    const LinearTensor& tensor_;
    Precision precision_;
    std::span<const float> smoothing_;
    IsaSet isas_;
    std::vector<float> floats_;
    AlignedBuffer copy_, rows_, panels_, steps_;
    std::size_t step_bytes_ = 0;
    Int4Weights int4_;
    std::int64_t count_ = 0;
    bool measures_ = false;
    double signal_ = 0, noise_ = 0;
    std::vector<float> scale_;
    std::vector<std::int32_t> sum_;
};

}  // namespace octile
