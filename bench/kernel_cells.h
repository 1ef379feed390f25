// Octile's own cells: a whole linear layer, and the kernels it consists of, each alone.
#pragma once

#include "bench/cell.h"
#include "bench/problem.h"
#include "octile/cpu.h"
#include "octile/linear.h"
#include "runtime/kernel_table.h"

namespace octile::bench {

// Whether dispatch would run m rows on this kernel, as far as the tile's height is concerned.
bool is_dispatched(const KernelInfo& kernel, std::int64_t m);

// The table's row of this name. Precondition: there is one.
const Kernel& kernel_named(std::string_view name);

// x f32 -> y: what a caller of Linear::run() waits for. The problem must outlive every cell made from it.
Result<Cell> linear_cell(const Problem& problem, Precision precision, Activation activation, DataType output,
                         IsaSet isas);
// The GEMM alone, on panels that are packed beforehand.
Result<Cell> gemm_cell(const Problem& problem, const Kernel& gemm);
// Quantizing or packing alone: rows, which every run() pays for, or weights, which pack() does once. Counted in
// elements.
Result<Cell> pack_cell(const Problem& problem, const Kernel& pack);

}  // namespace octile::bench
