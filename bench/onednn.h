// The peer: oneDNN's u8 x s8 matmul on weights in the layout of its own choice, packed beforehand.
#pragma once

#include <string>

#include "bench/cell.h"
#include "bench/problem.h"

namespace octile::bench {

// The highest level that oneDNN may use; like is compared with like.
enum class OneDnnIsa {
    kAvx2,
    kVnni,  // AVX512_CORE_VNNI
    kAll,   // whatever the CPU has, AMX included
};

// What y is. kS32 is the bare product; kF32 has one scale per column, as our epilogue does.
enum class OneDnnOutput { kS32, kF32 };

// Once, before the first onednn_cell(): oneDNN keeps its first choice for the life of the process.
void configure_onednn(OneDnnIsa isa, int threads);

// "oneDNN 2.6.3 on AVX512_CORE_VNNI", or that there is none.
std::string describe_onednn();
bool has_amx();

// kUnsupported if the benchmark was built without oneDNN.
Result<Cell> onednn_cell(const Problem& problem, OneDnnOutput output);

// A linear layer of f32 rows made of that GEMM: per-token quantization to u8 before it, dequantization and bias after
// it (peer_rows.h), the same levels of weights as ours.
Result<Cell> onednn_linear_cell(const Problem& problem);

}  // namespace octile::bench
