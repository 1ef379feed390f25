// What a user of oneDNN writes around its integer GEMM to get a linear layer: per-token quantization before it,
// dequantization after it. In AVX-512 where the CPU has it, else as the compiler vectorizes it.
#pragma once

#include <cstdint>
#include <span>

namespace octile::bench {

// Unsigned levels rne(x * most / absmax) + most + 1, and what one of them is worth. `most`: 127, or 63 for a GEMM that
// adds pairs of products in saturating int16.
float quantize_peer_row(std::span<const float> x, int most, std::uint8_t* levels);

// y[n] = (sums[n] - offset[n]) * (row_scale * column_scale[n]) + bias[n]
void dequantize_peer_row(std::span<const std::int32_t> sums, float row_scale, const std::int32_t* offset,
                         const float* column_scale, const float* bias, float* y);

}  // namespace octile::bench
