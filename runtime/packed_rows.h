// Rows of activations in the panel order of one ISA level.
#pragma once

#include <atomic>

#include "octile/linear.h"
#include "runtime/aligned_buffer.h"
#include "runtime/input_multiplier.h"
#include "runtime/level_kernels.h"
#include "runtime/matrix.h"

namespace octile {

struct [[gnu::visibility("hidden")]] PackedRows::State {
    const LevelKernels* kernels = nullptr;
    InputScaling scaling = InputScaling::kDynamic;
    float input_scale = 0;  // only of kStatic
    std::shared_ptr<const InputMultiplier> multiplier;
    std::int64_t rows = 0, k = 0;
    bool single_row = false;

    AlignedBuffer memory, products;  // the second only with a multiplier
    std::byte* panels = nullptr;
    // fp16: the first row with a finite number that f16 does not hold, rows if there is none.
    std::atomic<std::int64_t> beyond_f16 = 0;
    // int8, one element per row of all panels: its scale, the bits of its absmax, its range and zero point (the last
    // three only of kAsymmetric).
    float *scale = nullptr, *low = nullptr, *high = nullptr;
    std::int32_t *magnitude = nullptr, *zero_point = nullptr;

    std::int64_t padded_k() const {
        return round_up(k, kReductionPadding);
    }
    int panel_m() const {
        return kernels->panel_m(single_row);
    }
    // How the levels came about. Valid from begin() on.
    Scaling levels() const {
        return kernel_->info.scaling;
    }
    // Rows that have a scale of their own.
    std::int64_t scaled_rows() const {
        return single_row ? 1 : panel_count() * panel_m();
    }
    std::int64_t panel_count() const {
        return (rows + panel_m() - 1) / panel_m();
    }
    HalideBuffer panel_buffer(std::int64_t first, std::int64_t count) const;

    // Packs x. kNonFinite names the first row that cannot be quantized.
    Status pack(const MatrixView& x);

    // The same in steps, for rows that are made strip by strip: begin() once, prepare() for the number of pieces that
    // the work is cut into, then pack_panels() of every panel, by any number of threads, then finish() with what came
    // of that.
    Status begin(std::int64_t rows, std::int64_t k, DataType type);
    Status prepare(int pieces);
    // `strip`: the rows of panels [first, first + count), fewer only at the end. One thread at a time for each piece.
    Status pack_panels(const MatrixView& strip, std::int64_t first, std::int64_t count, int piece);
    Status finish(Status status);

  private:
    Status allocate();
    Status call_pack_kernel(const MatrixView& strip, std::int64_t first, std::int64_t count);
    void find_beyond_f16(const MatrixView& strip, std::int64_t first, std::int64_t count);

    const Kernel* kernel_ = nullptr;
};

}  // namespace octile
