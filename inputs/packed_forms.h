// Forms of quantized weights that are recognized by the names, types and shapes of their tensors: those that are read,
// and those that are not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/checkpoint.h"
#include "inputs/packed_weights.h"
#include "octile/layer.h"

namespace octile {

// kParseError, naming file and tensor, for what does not go together.
using PackedReader = Result<PackedWeights> (*)(const TensorInfo& words, const ModuleTensors& module);

// A linear, or a stack of experts, in such a form.
struct PackedModule {
    std::string name;         // as it would be called as a linear
    std::string form;         // "GPTQ of 3 bits"
    std::string_view reader;  // what reads it, "GPTQModel and vLLM"
    LeftOutReason reason = LeftOutReason::kFourBit;
    std::int64_t parameters = 0;
    std::vector<const TensorInfo*> tensors;  // of the weights first, then what goes with them
    PackedReader read = nullptr;             // null: it is not read
};

// In the order of the data of their weights.
std::vector<PackedModule> find_packed_modules(const Checkpoint& checkpoint);

}  // namespace octile
