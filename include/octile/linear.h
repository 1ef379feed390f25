// One linear layer: weights packed once for this CPU, then run on any number of rows.
//
//   y[m, n] = act(sum_k x[m, k] * w[n, k] + bias[n]) + residual[m, n]
//
// or, of two matrices of weights with one input (SwiGLU, GeGLU),
//
//   y[m, n] = act(sum_k x[m, k] * gate[n, k] + gate_bias[n]) * (sum_k x[m, k] * up[n, k] + up_bias[n])
//
// INT8 quantizes w per output channel when it packs and x per row when it runs; its results are bit-identical on every
// CPU, ISA level and thread count. INT4 is INT8 with levels that are stored in fewer bits. FP16 multiplies f16 values.
// The arithmetic of both is docs/quantization.md. It does not depend on the calling thread's floating-point
// environment: everything here rounds to nearest, keeps subnormals and traps nothing, whatever fesetround() and the
// like have set, and leaves that as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "octile/cpu.h"
#include "octile/export.h"
#include "octile/status.h"
#include "octile/types.h"

namespace OCTILE_API octile {

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

// How INT8 gets the levels of x.
enum class InputScaling {
    kDynamic,     // symmetric, from each row's absmax
    kStatic,      // symmetric, all rows by LinearOptions::input_scale; what is beyond 127 scales saturates
    kAsymmetric,  // from each row's range, with a zero point
};

// Bounds in place of an activation: of what act() would be applied to. A gated layer's bound the gate and not the
// product. A NaN stays one.
struct OutputRange {
    float low, high;
};

struct LinearOptions {
    Precision precision = Precision::kInt8;
    Activation activation = Activation::kNone;  // of a gated layer: on the gate
    std::optional<OutputRange> range = {};      // only with Activation::kNone
    InputScaling input_scaling = InputScaling::kDynamic;
    float input_scale = 0;  // kStatic: what one level is worth, positive and normal
    // [K], positive and finite; empty: none. x[m, k] * input_multiplier[k], rounded to f32, takes the place of x[m, k]
    // before it is quantized or packed. It is SmoothQuant's 1/s for a layer whose weights are w[n, k] * s[k]; exact
    // where s are powers of two. Copied. Not for x of type i8.
    std::span<const float> input_multiplier = {};
};

// Scratch memory of run(): grows to what a call needs and keeps it, so that a second call of the same shape allocates
// nothing. One thread uses it at a time. One that was moved from is like a new one.
class Workspace {
  public:
    Workspace();
    ~Workspace();
    Workspace(Workspace&&) noexcept;
    Workspace& operator=(Workspace&&) noexcept;

    std::size_t bytes() const;

  private:
    friend class Linear;
    friend class Norm;
    struct State;
    State& state();
    std::unique_ptr<State> state_;
};

// Rows of x as Linear::pack_rows() leaves them: for several layers that share an input, quantized once. Memory is kept
// like Workspace's. One that was moved from holds no rows, like a new one.
class PackedRows {
  public:
    PackedRows();
    ~PackedRows();
    PackedRows(PackedRows&&) noexcept;
    PackedRows& operator=(PackedRows&&) noexcept;

    std::int64_t rows() const;
    std::int64_t columns() const;
    std::size_t bytes() const;

    struct State;

  private:
    friend class Linear;
    std::unique_ptr<State> state_;
};

// What a call of run() may add.
struct RunOptions {
    // [M, N] of y's type (f32 where y is i8), added after the activation; no data: none. May be y itself where the
    // types agree. Not for gated layers.
    MatrixView residual = {};
    // y of type i8: what one level is worth. y = rne(v / output_scale), saturated to -127..127.
    float output_scale = 0;
};

// Weights [n, k] in the form of INT4: level[n, k] = s4[n, k / 32] * q4[n, k] + c8[n, k / 32], and what a level is
// worth, per output channel. docs/quantization.md.
struct Int4View {
    std::int64_t n = 0, k = 0;
    std::span<const std::uint8_t> q4;  // [n, k], one to a byte: 0 to 15
    std::span<const std::uint8_t> s4;  // [n, ceil(k / 32)]: 1 to 15
    std::span<const std::int8_t> c8;   // likewise; it and every level: -127 to 127
    std::span<const float> scale;      // [n]: positive, finite
};

class Linear {
  public:
    // Packs weights [N, K] of f32, f16 or bf16, and bias [N] (empty: none), into memory of its own; the originals may
    // be freed. `isas`: the levels it may use, usable_isas() as a rule.
    //
    // - kInvalidArgument: an extent below 1, more than 2^31 - 1 elements with padding, K above 131072 with INT8 (65536
    //   with kAsymmetric), a bias of another length, options that contradict each other, or what thread_limit() refuses
    // - kNonFinite: NaN or infinity, or with FP16 a weight that rounds to more than 65504, the largest of f16; the
    //   message names the output channel and says which. INT8 takes every finite weight
    // - kUnsupported: no kernel for these levels
    // - kOutOfMemory
    static Result<Linear> pack(const MatrixView& weights, std::span<const float> bias, const LinearOptions& options,
                               IsaSet isas);

    // The same from INT8 levels [N, K] of type i8 and what a level of each output channel is worth, scale [N]:
    // positive, finite. options.precision is kInt8.
    static Result<Linear> pack_quantized(const MatrixView& levels, std::span<const float> scale,
                                         std::span<const float> bias, const LinearOptions& options, IsaSet isas);

    // The same from weights that are in the form of INT4; options.precision is kInt4. kInvalidArgument names the output
    // channel that is not.
    static Result<Linear> pack_int4(const Int4View& weights, std::span<const float> bias, const LinearOptions& options,
                                    IsaSet isas);

    // A gated layer: gate and up [N, K], their biases [N] or empty.
    static Result<Linear> pack_gated(const MatrixView& gate, std::span<const float> gate_bias, const MatrixView& up,
                                     std::span<const float> up_bias, const LinearOptions& options, IsaSet isas);

    // One that was moved from can be destroyed or assigned to, and nothing else.
    ~Linear();
    Linear(Linear&&) noexcept;
    Linear& operator=(Linear&&) noexcept;

    // x [M, K] f32, f16 or bf16, or i8 (levels, with kStatic); y [M, N] f32, f16, bf16 or i8; M from 0 up. x and y must
    // not overlap. Several threads may run one Linear at once, each with a workspace of its own.
    //
    // - kInvalidArgument: shapes or options that do not fit; x of type i8 with K = 131072, where sums of -128 * -128
    // would
    //   not fit
    // - kNonFinite, naming the first such row, y not written: with INT8 a row of x holds NaN or infinity; with FP16, a
    //   finite number that rounds to more than 65504, the largest of f16
    // - kUnsupported: no kernel for the type of x or y
    //
    // With FP16, NaN and infinities in x go where IEEE arithmetic takes them, but for relu and relu6, which make +0 of
    // a NaN.
    Status run(const MatrixView& x, const MutableMatrixView& y, Workspace& workspace,
               const RunOptions& options = {}) const;

    // run() in two steps: pack_rows() of any layer and run(rows, ...) of every layer with accepts(rows).
    Status pack_rows(const MatrixView& x, PackedRows& rows) const;
    bool accepts(const PackedRows& rows) const;
    Status run(const PackedRows& rows, const MutableMatrixView& y, Workspace& workspace,
               const RunOptions& options = {}) const;

    // Takes the memory that runs of up to `rows` rows need on as many threads as now, here and in a Norm before it:
    // they allocate nothing then. What `panel` held is gone.
    Status reserve(std::int64_t rows, PackedRows& panel, Workspace& workspace) const;

    std::int64_t k() const;
    std::int64_t n() const;
    Precision precision() const;
    Activation activation() const;
    bool gated() const;
    // Memory held by the packed weights, scales and bias.
    std::size_t bytes() const;
    // Name of the GEMM kernel that run() spends its time in for M rows, as docs/kernels.md spells it.
    std::string_view kernel_name(std::int64_t m) const;

  private:
    friend class Norm;
    friend struct LinearParts;
    struct State;
    [[gnu::visibility("hidden")]] explicit Linear(std::unique_ptr<State> state);
    PackedRows::State& make_ready(PackedRows& rows) const;
    std::unique_ptr<State> state_;
};

}  // namespace octile
