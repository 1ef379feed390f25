// Decoders that are made of the same parts: an attention and a feed-forward part around a stream of residuals. What a
// family differs in is data.
#pragma once

#include <cstdint>

#include "families/network_builder.h"
#include "families/rotary.h"

namespace octile {

// Where norms stand.
enum class NormPlaces {
    kBefore,    // each part reads its own: llama
    kAfter,     // each part's output has its own: olmo2
    kAround,    // both: gemma2
    kParallel,  // both parts read the same one: cohere
};

enum class NormKind {
    kRms,
    kRmsPlusOne,  // multiplies by 1 + weight, which no session does: gemma
    kLayer,       // with a bias
};

// Norms of queries and keys.
enum class HeadNorms { kNone, kHeads, kRows };

enum class FeedForward {
    kGated,       // gate_proj, up_proj, down_proj
    kFusedGated,  // gate_up_proj, down_proj: phi3
    kPlain,       // two linears: starcoder2
};

struct ExpertFacts {
    const char* count_key = nullptr;  // null: there are none
    const char* each_key = "num_experts_per_tok";
    const char* size_key = "moe_intermediate_size";
    const char* part = "mlp";  // of a block
    const char* gate = "gate_proj";
    const char* up = "up_proj";
    const char* down = "down_proj";
    std::int64_t each = 8, count = 8;  // without the keys
    bool shared = false;               // beside them, one that every token sees
    bool stacked = false;              // matrices of 3-D tensors, as far as no checkpoint says otherwise
    bool transposed = false;           // which lie [experts, K, N]
};

struct DecoderFacts {
    NormPlaces norms = NormPlaces::kBefore;
    NormKind norm = NormKind::kRms;
    bool norm_bias = true;  // kLayer
    const char* epsilon_key = "rms_norm_eps";
    double epsilon = 1e-6;
    const char* activation_key = "hidden_act";
    const char* activation = "silu";
    const char* bias_key = nullptr;           // of queries, keys and values; null: no key says it
    const char* out_bias_key = nullptr;       // of what attention yields
    bool qkv_bias = false, out_bias = false;  // without the keys
    const char* ffn_bias_key = nullptr;
    bool ffn_bias = false;
    // Of a configuration without the keys. 0: it has to have them, or there are as many heads of keys as of queries, as
    // where that key is null.
    std::int64_t heads = 0, key_heads = 0, vocabulary = 0;
    std::int64_t head = 0;  // head_dim without the key; 0: hidden_size / num_attention_heads
    HeadNorms head_norms = HeadNorms::kNone;
    const char* head_norm_names[2] = {"q_norm", "k_norm"};
    const char* out = "o_proj";
    double attention_scale = 0;  // attention_multiplier without the key; 0: there is none
    bool fused_qkv = false;
    FeedForward feed_forward = FeedForward::kGated;
    const char* up = "up_proj";      // kPlain
    const char* down = "down_proj";  // likewise
    ExpertFacts experts = {};
    double theta = 10000;
    std::int64_t window = 0;  // sliding_window without the key
    bool windowed = true;     // use_sliding_window without the key
    WindowPlaces window_places = WindowPlaces::kUnknown;
    bool tied = false;  // tie_word_embeddings without the key
    const char* last_norm = "norm";
    bool head_bias = false;
    std::int64_t no_rotary_interval = 0;  // every so many blocks have no rotary embedding: smollm3
    std::int64_t linear_interval = 0;     // all blocks but every so many have linear attention: qwen3_next
    bool gated_queries = false;           // q_proj yields queries and as many gates
    const char* attention = "";           // why no session runs it
    const char* embedding = "";           // what happens to the rows of the table, which no session does
};

// The whole network, with the head of its "architectures".
void build_decoder(NetworkBuilder& builder, const DecoderFacts& facts);

}  // namespace octile
