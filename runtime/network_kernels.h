// What a network needs around its linears and norms, on rows of f32: one call each, cut into pieces for the threads.
// The arithmetic is docs/quantization.md. Shapes are the caller's to check.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "octile/linear.h"
#include "runtime/kernel_table.h"

namespace octile {

struct NetworkKernels {
    // [none, residual, gate], y of f32
    std::array<const Kernel*, 3> epilogue{};
    // [none, residual][type of the table]
    std::array<std::array<const Kernel*, 3>, 2> embedding{};
    const Kernel *mean_pool = nullptr, *normalize = nullptr, *split_heads = nullptr, *rotary = nullptr;
    // By the number of queries, most first; the same numbers with a bias.
    std::vector<const Kernel*> attention, biased_attention;

    // kUnsupported if the levels lack one.
    static Result<NetworkKernels> find(IsaSet isas);
};

// y = act(x) + other, without an activation or without the addition (no data)
Status activate_and_add(const NetworkKernels& kernels, Activation activation, const MatrixView& x,
                        const MatrixView& other, const MutableMatrixView& y);

// y = act(gate) * up
Status multiply_by_gate(const NetworkKernels& kernels, Activation activation, const MatrixView& gate,
                        const MatrixView& up, const MutableMatrixView& y);

// y = table[index], or, with `add`, y + table[index]. `table` is f32, f16 or bf16, each index one of its rows.
Status embed_rows(const NetworkKernels& kernels, const MatrixView& table, std::span<const std::int32_t> index, bool add,
                  const MutableMatrixView& y);

// y [columns of x] = the mean of the rows of x
Status mean_of_rows(const NetworkKernels& kernels, const MatrixView& x, float* y);

// y[m] = x[m] / max(|x[m]|, epsilon)
Status normalize_rows(const NetworkKernels& kernels, const MatrixView& x, float epsilon, const MutableMatrixView& y);

}  // namespace octile
