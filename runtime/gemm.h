// One GEMM over packed operands with its epilogue, cut into blocks for the caches and pieces for the threads.
#pragma once

#include "runtime/epilogue.h"
#include "runtime/packed_rows.h"
#include "runtime/packed_weights.h"

namespace octile {

// y [rows.rows, weights.n] = epilogue(rows * weights). With two matrices of weights, gate and up, it is
// act(gate) * up. `scratch` holds the blocks between GEMM and epilogue, and grows to what is needed.
Status run_gemm(const PackedRows::State& rows, const PackedWeights& weights, const Epilogue& epilogue,
                const MutableMatrixView& y, AlignedBuffer& scratch);

// The most scratch memory that a piece of run_gemm() needs, whatever the number of rows.
std::int64_t gemm_scratch_bytes(const PackedWeights& weights);

}  // namespace octile
