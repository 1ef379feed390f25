// Layer norm and RMS norm over the features of each row, with an addition before and quantization behind:
//
//   v[m, k] = x[m, k]   or, with a residual, sum[m, k] = x[m, k] + residual[m, k], rounded to x's type
//   kLayerNorm   y = (v - mean) / sqrt(variance + epsilon) * weight[k] + bias[k]
//   kRmsNorm     y = v / sqrt(mean of v * v + epsilon) * weight[k]
//
// Computed in f32 in one fixed order: the same bits on every CPU, ISA level and thread count (docs/quantization.md).
#pragma once

#include <memory>
#include <span>

#include "octile/export.h"
#include "octile/linear.h"

namespace OCTILE_API octile {

enum class NormKind { kLayerNorm, kRmsNorm };

// The addition before a norm. `sum` may be x or residual itself.
struct NormAddition {
    MatrixView residual = {};    // [M, K] of x's type
    MutableMatrixView sum = {};  // [M, K] of x's type: what is normalized
};

class Norm {
  public:
    // weight [K] and bias [K] are copied; an empty bias is zeros, and kRmsNorm has none.
    //
    // - kInvalidArgument: no weights or more than 2^24, a bias of another length or for kRmsNorm, epsilon negative or
    // not finite
    // - kNonFinite: NaN or infinity in weight or bias; the message names the feature
    // - kUnsupported: no kernel for these levels
    // - kOutOfMemory
    static Result<Norm> make(NormKind kind, std::span<const float> weight, std::span<const float> bias, float epsilon,
                             IsaSet isas);

    // One that was moved from can be destroyed or assigned to, and nothing else.
    ~Norm();
    Norm(Norm&&) noexcept;
    Norm& operator=(Norm&&) noexcept;

    // x [M, K] and y [M, K], each f32, f16 or bf16, M from 0 up. y may be x where the types agree and there is no
    // residual. NaN and infinities go where IEEE arithmetic takes them.
    Status run(const MatrixView& x, const MutableMatrixView& y, Workspace& workspace,
               const NormAddition& addition = {}) const;

    // The same, straight into the rows that `consumer` and every layer like it reads: what pack_rows() would make of y
    // in f32, without y. kNonFinite as there.
    Status run(const MatrixView& x, const Linear& consumer, PackedRows& rows, Workspace& workspace,
               const NormAddition& addition = {}) const;

    // Both at once: y, of any type, and the rows.
    Status run(const MatrixView& x, const MutableMatrixView& y, const Linear& consumer, PackedRows& rows,
               Workspace& workspace, const NormAddition& addition = {}) const;

    std::int64_t k() const;
    NormKind kind() const;

  private:
    struct State;
    [[gnu::visibility("hidden")]] explicit Norm(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace octile
