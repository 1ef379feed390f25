// The layers that a checkpoint's tensors are, found by names and shapes.
//
// - Every 2-D X.weight is a linear layer X of shape [N, K]; X.bias, when there is one, must be [N]. Both must be F32,
//   F16 or BF16.
// - Except embedding tables: no bias, and a name with embedding, embed_, position, token_type, wte, wpe, shared or
//   relative_attention_bias in it. lm_head is a linear, also where it is tied to the embedding.
// - Every 1-D X.weight whose last name component says norm or ln is a layernorm, so that the plan shows it; q_norm and
//   k_norm are not (their rows are heads), nor is a batch norm (it has a running_mean).
// - A 2-D X.weight of I8 with an X.weight_scale of [N], [N, 1] or one value is a linear that came quantized
// (compressed-
//   tensors W8A8). In such a checkpoint, floating-point linears on the ignore list of config.json are meant to stay so.
// - Everything else is left out, as is every layer whose name the skip expression finds.
//
// Layers come in order of execution where the names follow a known convention (embeddings, blocks by number and inside
// them norm, q, k, v, output, norm, feed-forward; then heads), by name with numbers compared as numbers elsewhere. The
// order of the data is of no use: writers sort by name or by dtype. Inputs are filled in where a layer does not read
// the one before it (k and v read what q reads), activations by convention.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inputs/checkpoint.h"
#include "octile/layer.h"
#include "octile/status.h"

namespace octile {

// A layer and where its parameters are. Points into the Checkpoint it came from.
struct LinearTensor {
    Layer layer;                         // kLinear or kLayerNorm; named as its tensors, without ".weight"
    const TensorInfo* weight = nullptr;  // [n, k]; [n] for a layernorm
    const TensorInfo* bias = nullptr;    // [n]; null when layer.bias is false
    const TensorInfo* scale = nullptr;   // of int8 weights: n values or one; null when they are floats
};

struct LeftOut {
    std::string tensor;
    std::string why;
};

struct LinearTensors {
    std::vector<LinearTensor> layers;
    std::vector<LeftOut> left_out;  // in the order of the data
};

// `tokens` is M of every layer. `skip` is an ECMAScript regular expression searched for in layer names; empty skips
// nothing. kInvalidArgument for tokens out of range and for a bad expression; kParseError, naming file and tensor, for
// a dtype or shape that no layer can have and for a file without a single linear.
Result<LinearTensors> find_linear_tensors(const Checkpoint& checkpoint, std::int64_t tokens, const std::string& skip);

}  // namespace octile
