// Linears of compressed-tensors' format "pack-quantized" (llm-compressor: W4A16, W4A8, W8A16), `bits` of 4 or 8:
//
//   X.weight_packed      I32 [N, ceil(K * bits / 32)]    level[n, k], k of a word from its lowest bits on
//   X.weight_scale       BF16, F16 or F32 [N, G], one for each of G groups of K / G; [N, 1] by channel
//   X.weight_shape       I64 or I32 [2]                  N, K
//   X.weight_zero_point  I32 [ceil(N * bits / 32), G], or, before compressed-tensors 0.9, I8 [N, G] less 2^(bits - 1);
//                        absent: 2^(bits - 1)
//   X.weight_g_idx       I32 [K]                         the group of each k, K / G of each; absent or -1: one after
//   the other
#pragma once

#include <string>

#include "inputs/packed_weights.h"
#include "octile/status.h"

namespace octile {

// Why a linear of this form is not read, in words that follow "pack-quantized"; empty: it is.
std::string unread_pack_quantized(const TensorInfo& words, const ModuleTensors& module);

// kParseError, naming the tensor, for parts that are missing or do not go together.
Result<PackedWeights> read_pack_quantized(const TensorInfo& words, const ModuleTensors& module);

}  // namespace octile
