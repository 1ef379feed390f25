// A packed linear taken apart: what a packed file stores of it, and what a Linear is put together from again.
#pragma once

#include <memory>
#include <span>

#include "octile/linear.h"
#include "runtime/int4_fit.h"
#include "runtime/weight_layout.h"

namespace octile {

struct PackedWeights;

struct [[gnu::visibility("hidden")]] LinearParts {
    LinearOptions options = {};
    std::int64_t k = 0, n = 0;
    std::int64_t padded_n = 0;  // output channels of one matrix in the panels
    int matrices = 1;           // 2: gate and up, behind one another in every span
    WeightLayout layout = {};
    // [matrices] times shape().bytes(layout), or of int4_panels(): q4_bytes() and, only then, step_bytes().
    std::span<const std::byte> panels;
    std::span<const std::byte> steps;
    // Per output channel, [matrices, padded_n]; of one matrix there may be more. The first two are empty for FP16.
    std::span<const float> column_scale;
    std::span<const std::int32_t> column_sum;  // of the int8 levels
    std::span<const float> bias;               // zeros where there is none

    PanelShape shape() const;
    Int4Panels int4_panels() const {
        return {layout.k_block, layout.panel_n, n, k};
    }

    // Of INT4: rows [first, first + count) of a matrix, in the form that pack() stored.
    Int4Weights int4_rows(int matrix, std::int64_t first, std::int64_t count) const;
    // Rows [n, k] of a matrix, dense: levels of INT8, which are those of INT4 too, or f16.
    void unpack(int matrix, std::byte* rows) const;

    // Views of `linear`, which must outlive them.
    static LinearParts of(const Linear& linear);

    // Whether the kernels that a Linear of these levels would use read such panels as they are.
    static bool fits(const WeightLayout& layout, std::int64_t padded_n, std::int64_t n, Precision precision,
                     IsaSet isas);

    // A Linear that reads the parts where they are, aligned to 64 bytes, and has `owner` keep them alive; where the
    // panels do not fit, they are packed again for this CPU, into memory of its own, with the same results. Sizes are
    // the caller's to check. kUnsupported, kOutOfMemory.
    static Result<Linear> make(const LinearParts& parts, std::shared_ptr<const void> owner, IsaSet isas);
};

// Packs the parts once more in the layout of `weights`, which is allocated.
Status repack(const LinearParts& parts, PackedWeights& weights);

}  // namespace octile
