// One linear layer: weights packed once for this CPU, then run on any number of rows.
//
//   y[m, n] = act(sum_k x[m, k] * w[n, k] + bias[n])
//
// INT8 quantizes w per output channel when it packs and x per row when it runs; its results are bit-identical on every
// CPU, ISA level and thread count. FP16 multiplies f16 values. The arithmetic of both is docs/quantization.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "octile/cpu.h"
#include "octile/status.h"
#include "octile/types.h"

namespace octile {

// A row-major matrix that somebody else owns. Rows are `row_stride` elements apart, columns one.
struct MatrixView {
    const void* data = nullptr;
    DataType type = DataType::kF32;
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t row_stride = 0;
};

struct MutableMatrixView {
    void* data = nullptr;
    DataType type = DataType::kF32;
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t row_stride = 0;
};

// Scratch memory of run(): grows to what a call needs and keeps it, so that a second call of the same shape allocates
// nothing. One thread uses it at a time.
class Workspace {
  public:
    Workspace();
    ~Workspace();
    Workspace(Workspace&&) noexcept;
    Workspace& operator=(Workspace&&) noexcept;

    std::size_t bytes() const;

  private:
    friend class Linear;
    struct State;
    std::unique_ptr<State> state_;
};

struct LinearOptions {
    Precision precision = Precision::kInt8;
    Activation activation = Activation::kNone;
};

class Linear {
  public:
    // Packs weights [N, K] of f32, f16 or bf16, and bias [N] (empty: none), into memory of its own; the originals may
    // be freed. `isas`: the levels it may use, usable_isas() as a rule.
    //
    // - kInvalidArgument: an extent below 1, more than 2^31 - 1 elements with padding, K above 131072 with INT8, a bias
    //   of another length
    // - kNonFinite: NaN or infinity, or with FP16 a weight beyond 65504; the message names the output channel
    // - kUnsupported: no kernel for these levels
    // - kOutOfMemory
    static Result<Linear> pack(const MatrixView& weights, std::span<const float> bias, const LinearOptions& options,
                               IsaSet isas);

    ~Linear();
    Linear(Linear&&) noexcept;
    Linear& operator=(Linear&&) noexcept;

    // x [M, K] f32 or f16, y [M, N] f32 or f16, M from 0 up. x and y must not overlap. Several threads may run one
    // Linear at once, each with a workspace of its own.
    //
    // kNonFinite: INT8 and a row of x holds NaN or infinity; the message names the first such row and y is not written.
    // FP16 propagates them.
    Status run(const MatrixView& x, const MutableMatrixView& y, Workspace& workspace) const;

    std::int64_t k() const;
    std::int64_t n() const;
    Precision precision() const;
    Activation activation() const;
    // Memory held by the packed weights, scales and bias.
    std::size_t bytes() const;
    // Name of the GEMM kernel that run() takes for M rows and this output type, as docs/kernels.md spells it.
    std::string_view kernel_name(std::int64_t m, DataType output) const;

  private:
    struct State;
    explicit Linear(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace octile
