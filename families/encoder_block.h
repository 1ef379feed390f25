// One block of an encoder, or of a decoder that attends to one: attention and a feed-forward part, each with a residual
// and a norm. What families differ in is data: names of modules, and where the norms stand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "families/network_builder.h"

namespace octile {

// Names are those behind the block's beginning.
struct AttentionNames {
    const char* query = nullptr;
    const char* key = nullptr;
    const char* value = nullptr;
    const char* fused = nullptr;  // one linear instead of the three
    const char* out = nullptr;
    const char* norm = nullptr;
};

struct BlockNames {
    AttentionNames self;
    AttentionNames cross = {};   // without a query: there is none
    const char* gate = nullptr;  // of a gated feed-forward part
    const char* up = nullptr;
    bool gate_in_up = false;  // `up` yields both halves of a gate
    const char* down = nullptr;
    const char* norm = nullptr;  // of the feed-forward part
    // Tensors that the output of the two parts is multiplied by, channel by channel.
    const char* attention_scale = nullptr;
    const char* ffn_scale = nullptr;
};

struct BlockFacts {
    BlockNames names;
    bool norm_first = false;     // a part reads its norm; otherwise its norm reads the sum
    bool parallel = false;       // with norm_first: both parts read what the block reads
    bool rms = false;            // norms are RMS norms
    bool norms_unknown = false;  // before or behind their parts, nobody says
    bool norm_bias = true;
    bool qkv_bias = true, key_bias = true, out_bias = true, ffn_bias = true;
    std::int64_t hidden = 0, ffn = 0, heads = 0;  // by the configuration; 0: not said
    std::int64_t projected = 0;                   // width of queries, keys and values, where that is not `hidden`
    std::int64_t fused = 0;                       // of all three together, where that is not three times as much
    double epsilon = 1e-5;
    ActivationFact activation = {};
    bool causal = false;
    std::optional<Rotary> rotary = {};
    std::optional<std::int64_t> window = {};
    std::optional<DistanceBias> distance_bias = {};
    std::string why = {};  // no session runs its attention
    // Fused linears yield queries, keys and values, or the activated half of a gate and the other, side by side.
    bool cut = false;
    std::string tensors = {};  // of a block that runs once more: what the names of its linears and norms begin with
    bool transposed = false;   // linears lie [K, N]
};

// `encoder`: the states that cross-attention reads; empty: there is none.
std::string add_block(NetworkBuilder& builder, const BlockFacts& facts, const std::string& at, const std::string& x,
                      const std::string& encoder = {});

// Blocks whose names are `beginning` and a number, as many as the checkpoint has or the configuration's `key` says.
std::string add_blocks(NetworkBuilder& builder, const BlockFacts& facts, const char* key, const std::string& beginning,
                       std::string x, std::int64_t otherwise = 0);

}  // namespace octile
