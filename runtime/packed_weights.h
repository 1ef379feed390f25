// The weights of a linear layer in the panel order of one ISA level, with what belongs to each output channel.
#pragma once

#include <span>

#include "octile/linear.h"
#include "runtime/cache_sizes.h"
#include "runtime/int4_panels.h"
#include "runtime/level_kernels.h"
#include "runtime/matrix.h"
#include "runtime/shared_buffer.h"
#include "runtime/weight_layout.h"

namespace octile {

struct PackedWeights {
    const LevelKernels* kernels = nullptr;
    std::int64_t k = 0, n = 0;
    std::int64_t padded_columns = 0;  // of one matrix
    int matrices = 1;                 // 2: gate and up, each padded by itself, behind one another

    bool int4 = false;  // levels of int8 that are stored in fewer bits

    SharedBuffer panel, column_scale, column_sum, bias;  // the middle two only for int8
    SharedBuffer steps;                                  // only for int4: its panels' s4 and c8

    // Of the arithmetic, and of the kernels: kInt8 for int4 too.
    Precision precision() const { return kernels->precision(); }
    std::int64_t padded_k() const { return round_up(k, kReductionPadding); }
    std::int64_t padded_n() const { return padded_columns; }
    WeightLayout layout() const {
        return precision() == Precision::kInt8 ? WeightLayout{1, kernels->k_block(), kernels->panel_n()}
                                               : WeightLayout{2, 1, kernels->panel_n()};
    }
    // Of int4: one matrix.
    Int4Panels int4_panels() const { return {kernels->k_block(), kernels->panel_n(), n, k}; }
    std::size_t bytes() const {
        return panel.bytes() + steps.bytes() + column_scale.bytes() + column_sum.bytes() + bias.bytes();
    }
    // Columns that tiles divide, and pairs of panels.
    int column_unit() const;

    // What the schedule calls large: more than half of the second-level cache.
    WeightSize size() const {
        return static_cast<std::int64_t>(panel.bytes()) > cache_sizes().level2 / 2 ? WeightSize::kLarge
                                                                                   : WeightSize::kAny;
    }

    // Panels [first, first + count) of all matrices' columns.
    HalideBuffer panel_buffer(std::int64_t first, std::int64_t count) const;

    // Memory of its own for k, n and `matrices`, which are set, in the layout of `kernels`.
    Status allocate();
    // `name`: of the matrix, for messages. `scale`: of int8 weights that are quantized already; else empty. The status
    // of a non-finite weight names the channel.
    Status pack(int matrix, const char* name, const MatrixView& weights, std::span<const float> scale);
    // int4 that is ready, and valid: output channels from `first` on, which begins a pair of panels.
    Status pack_int4(int matrix, const Int4View& weights, std::int64_t first);
    // Pairs of panels [first, first + count) of a matrix as int8 panels, dense but for K, which is whole groups.
    Status unpack(int matrix, std::int64_t first, std::int64_t count, std::byte* panels) const;
    void set_bias(int matrix, std::span<const float> values);

  private:
    std::byte* panel_at(std::int64_t index) const;
    Status fit_and_pack_int4(int matrix, const char* name, const MatrixView& weights);
    Status allocate_int4();
    Status pack_panels(const Kernel& kernel, int matrix, const MatrixView& weights);
    Status check_finite(int matrix, const char* name, const MatrixView& weights) const;
};

}  // namespace octile
