// Softmax attention over keys and values that lie where the kernels read them.
#pragma once

#include <cstdint>

#include "octile/status.h"
#include "runtime/kernel_table.h"
#include "runtime/network_kernels.h"

namespace octile {

// Kernels multiply heads of a multiple of so many features; others are padded with 0, which changes no sum.
inline constexpr std::int64_t kHeadUnit = 16;

constexpr std::int64_t padded_head(std::int64_t features) {
    return (features + kHeadUnit - 1) / kHeadUnit * kHeadUnit;
}

// Keys come in blocks of this many, side by side: [key_heads][blocks][features][32].
inline constexpr std::int64_t kKeyBlock = 32;

constexpr std::int64_t key_blocks(std::int64_t keys) {
    return (keys + kKeyBlock - 1) / kKeyBlock;
}

// The heads of some rows; strides in elements.
struct HeadView {
    float* data = nullptr;
    std::int64_t feature_stride = 1, head_stride = 0, token_stride = 0;
};

// cos and sin [tokens, features / 2] of the rows' positions; no data: no rotation.
struct RotaryRows {
    const float *cos = nullptr, *sin = nullptr;
};

// y = x, rotated or not, of all heads and tokens. x has `features` of each head, y padded_head() of them.
Status place_heads(const NetworkKernels& kernels, const HeadView& x, const HeadView& y, std::int64_t features,
                   std::int64_t heads, std::int64_t tokens, const RotaryRows& rotary);

// A few queries over the keys and values of one head.
struct AttentionTile {
    const float* queries = nullptr;  // [queries, features]
    std::int64_t query_stride = 0;
    const float* keys = nullptr;    // [blocks, features, 32]
    const float* values = nullptr;  // [count, features]
    std::int64_t value_stride = 0;
    std::int64_t features = 0;  // a multiple of kHeadUnit
    float scale = 1;
    // Query i adds bias[i * bias_stride + j] to the score of key j, up to the end of the last block of keys; null:
    // none. Where that makes it -infinity, the key has no weight.
    const float* bias = nullptr;
    std::int64_t bias_stride = 0;
    // Query i sees the keys before visible + step * i.
    std::int32_t visible = 0, step = 0;
    float* y = nullptr;  // [queries, features]
    std::int64_t y_stride = 0;
};

// Floats of scratch memory for a tile that sees up to `keys` keys.
std::int64_t attention_scratch(const NetworkKernels& kernels, std::int64_t keys);

// Any number of queries, tile by tile.
Status attend(const NetworkKernels& kernels, AttentionTile tile, std::int64_t queries, float* scratch);

}  // namespace octile
