// Linears of AWQ checkpoints in the order of its version "gemm" (AutoAWQ, llm-awq's export), of 4 bits:
//
//   X.qweight  I32 [K, N / 8]    level[k, n], the n of a word lying as 0, 2, 4, 6, 1, 3, 5, 7 from its lowest bits on
//   X.qzeros   I32 [G, N / 8]    zero[g, n] likewise
//   X.scales   F16, BF16 or F32 [G, N]
#pragma once

#include <string>

#include "inputs/packed_weights.h"
#include "octile/status.h"

namespace octile {

// Why a linear of this form is not read, in words that follow "AWQ"; empty: it is.
std::string unread_awq(const TensorInfo& words, const ModuleTensors& module);

// kParseError, naming the tensor, for parts that are missing or do not go together.
Result<PackedWeights> read_awq(const TensorInfo& words, const ModuleTensors& module);

}  // namespace octile
