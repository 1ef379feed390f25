// The kernels that one linear layer needs, found once per precision, set of ISA levels and schedule: a call at M = 1 is
// too short to search the table.
#pragma once

#include <array>
#include <vector>

#include "runtime/kernel_table.h"

namespace octile {

// One GEMM kernel for every number of rows: wide[m - 1] reads m rows of a wide panel, `row` the panel of a single row.
struct GemmKernels {
    std::vector<const Kernel*> wide;
    const Kernel* row = nullptr;

    // What the blocking of the schedule is said with.
    const KernelInfo& tallest() const { return wide.back()->info; }
};

class LevelKernels {
  public:
    // Null if no level of `isas` has kernels of this precision. `schedule`: of built_schedules(). Lives as long as the
    // process.
    static const LevelKernels* find(Precision precision, IsaSet isas, int schedule);

    Precision precision() const { return precision_; }
    Isa isa() const { return row().isa; }
    Element element() const { return row().panel; }  // of the activations' panel
    int k_block() const { return row().k_block; }
    int panel_n() const { return row().panel_n; }
    int panel_m(bool single_row) const { return single_row ? row().panel_m : wide().panel_m; }
    // Columns that every tile of every schedule divides: what the weights are padded to.
    int column_unit() const { return column_unit_; }

    // For rows that were quantized in this way. Kernels of their own have asymmetric rows and, on some levels, those
    // whose levels came ready and may be -128.
    const GemmKernels& gemm(Scaling scaling, WeightSize size) const {
        const GemmKernels& own = gemms_[index(size)][index(scaling)];
        return own.row ? own : gemms_[index(size)][index(Scaling::kDynamic)];
    }
    // These are null for an input type or scaling that there is no kernel for.
    const Kernel* pack_rows(DataType input, Scaling scaling, bool single_row) const {
        return pack_rows_[single_row][index(scaling)][index(input)];
    }
    // INT4 weights to INT8's panels; null if there is none.
    const Kernel* unpack() const { return unpack_; }
    const Kernel* pack_weights(DataType input) const { return pack_weights_[index(input)]; }
    const Kernel* epilogue(DataType output, Combine combine) const { return epilogues_[index(combine)][index(output)]; }

  private:
    template <typename Enum>
    static constexpr std::size_t index(Enum value) {
        return static_cast<std::size_t>(value);
    }

    LevelKernels(Precision precision, IsaSet isas, Isa isa, int schedule);
    using ByType = std::array<const Kernel*, static_cast<std::size_t>(DataType::kI8) + 1>;

    bool has_gemm(KernelFamily family, Scaling scaling) const;
    int widest_tile(KernelFamily family) const;
    GemmKernels gather(KernelFamily family, Scaling scaling, WeightSize size) const;
    const KernelInfo& row() const { return gemms_[0][0].row->info; }
    const KernelInfo& wide() const { return gemms_[0][0].tallest(); }

    Precision precision_;
    IsaSet isas_;
    Isa isa_;
    int schedule_;
    const Kernel* table_ = kernel_table().data();  // the measuring program has several
    const LevelKernels* older_ = nullptr;
    std::array<std::array<GemmKernels, 4>, 2> gemms_;  // [WeightSize][Scaling]; empty: those of kDynamic serve
    int column_unit_ = 1;
    std::array<std::array<ByType, 4>, 2> pack_rows_{};  // [single row][Scaling]
    ByType pack_weights_{};
    const Kernel* unpack_ = nullptr;
    std::array<ByType, 3> epilogues_{};  // [Combine]
};

}  // namespace octile
