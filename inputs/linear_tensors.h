// The layers that a checkpoint's tensors are, found by names and shapes: its modules (weight_modules.h) that are
// linears and norms; experts are left out.
//
// Layers come by name, with numbers compared as numbers: the order of the data is of no use, for writers sort by name
// or by dtype. What they read and what stands behind them, names do not tell: that is checkpoint_network.h's to find
// out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "inputs/checkpoint.h"
#include "inputs/weight_modules.h"
#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

// A layer and where its parameters are. Points into the Checkpoint it came from.
struct LinearTensor {
    Layer layer;                             // kLinear or kLayerNorm; named as its tensors, without ".weight"
    WeightMatrix weight;                     // [n, k]; [1, n] for a layernorm
    std::optional<TensorInfo> bias = {};     // [n]; empty when layer.bias is false
    InputQuantization input = {};            // of int8 weights
    std::vector<const TensorInfo*> tensors;  // all of the file that it takes, or takes a part of
};

struct LinearTensors {
    std::vector<LinearTensor> layers;
    std::vector<LeftOut> left_out;
    std::int64_t parameters = 0;          // of the whole file
    std::vector<std::string> notes = {};  // what there is to say of it, a line each
    // Linears of a network that use the weights of another one, which is among the layers: its name.
    std::map<std::string, std::string, std::less<>> shared = {};
};

// `tokens` is M of every layer. kInvalidArgument for tokens out of range; kParseError, naming file and tensor, for a
// dtype or shape that no layer can have and for a file without a single linear.
Result<LinearTensors> find_linear_tensors(const Checkpoint& checkpoint, std::int64_t tokens, const WeightRules& rules);

// The same with every layer left out whose name has a match of `skip`, a pattern (base/pattern.h); empty leaves
// out nothing. kInvalidArgument for a bad one.
Result<LinearTensors> find_linear_tensors(const Checkpoint& checkpoint, std::int64_t tokens, const std::string& skip);

// How many of the linears come in fewer bits, and in which form (stored_form()), as a line; empty: none does.
std::string stored_forms_note(const Checkpoint& checkpoint, const std::vector<LinearTensor>& layers);

}  // namespace octile
