// Linears of GPTQ checkpoints (AutoGPTQ, GPTQModel, and AutoRound in their form), `bits` of 4 or 8:
//
//   X.qweight  I32 [ceil(K * bits / 32), N]    level[k, n], k of a word from its lowest bits on
//   X.qzeros   I32 [G, ceil(N * bits / 32)]    zero[g, n] likewise; checkpoint_format gptq has it less 1, gptq_v2 as it
//   is X.scales   F16, BF16 or F32 [G, N] X.g_idx    I32 [K]                         the group of each k; absent: K / G
//   of them one after the other
#pragma once

#include <string>

#include "inputs/packed_weights.h"
#include "octile/status.h"

namespace octile {

// Why a linear of this form is not read, in words that follow "GPTQ"; empty: it is.
std::string unread_gptq(const TensorInfo& words, const ModuleTensors& module);

// kParseError, naming the tensor, for parts that are missing or do not go together.
Result<PackedWeights> read_gptq(const TensorInfo& words, const ModuleTensors& module);

}  // namespace octile
