// Weights of one linear in a form of packed levels, as its reader (gptq.h, awq.h, pack_quantized.h) finds them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inputs/module_tensors.h"
#include "inputs/packed_levels.h"
#include "octile/status.h"

namespace octile {

struct PackedWeights {
    std::int64_t n = 0, k = 0;
    PackedLevels levels = {};
    std::vector<const TensorInfo*> tensors = {};  // the words first, then what goes with them; no bias
};

// What the readers check alike, once shapes are known: zeros and scales against each other, that scales are finite and
// that the groups of single k exist. Adds the tensors to `weights`. kParseError naming the tensor.
Status finish(const ModuleTensors& module, PackedWeights& weights);

}  // namespace octile
