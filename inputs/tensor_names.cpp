#include "inputs/tensor_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <tuple>

namespace octile {
namespace {

struct Convention {
    std::string_view suffix;  // of the layer's name, from a component boundary on
    int rank;
    Activation activation = Activation::kNone;
};

// The first match counts, so longer suffixes come before those they end with.
constexpr Convention kConventions[] = {
    // norm in front of attention
    {"layernorm_before", 10},
    {"input_layernorm", 10},
    {"self_attn_layer_norm", 10},
    {"norm1", 10},
    {"ln_1", 10},
    // cross-attention of encoder-decoder models
    {"encoder_attn_layer_norm", 40},
    {"encoder_attn.q_proj", 50},
    {"encoder_attn.k_proj", 51},
    {"encoder_attn.v_proj", 52},
    {"encoder_attn.out_proj", 60},
    // attention
    {"query", 20},
    {"key", 21},
    {"value", 22},
    {"q_proj", 20},
    {"k_proj", 21},
    {"v_proj", 22},
    {"attn.qkv", 20},
    {"linear_attn.in_proj_qkv", 20},
    {"linear_attn.in_proj_z", 21},
    {"linear_attn.in_proj_b", 22},
    {"linear_attn.in_proj_a", 23},
    {"attention.output.dense", 30},
    {"o_proj", 30},
    {"out_proj", 30},
    {"attn.proj", 30},
    // norm between attention and feed-forward
    {"attention.output.LayerNorm", 40},
    {"layernorm_after", 40},
    {"post_attention_layernorm", 40},
    {"norm2", 40},
    {"ln_2", 40},
    {"final_layer_norm", 70},
    // feed-forward
    {"gate_proj", 80, Activation::kSilu},
    {"up_proj", 81},
    {"intermediate.dense", 80, Activation::kGelu},
    {"mlp.fc1", 80, Activation::kGelu},
    {"fc1", 80},  // gelu in Whisper, relu in OPT: the name does not tell
    {"down_proj", 90},
    {"output.dense", 90},
    {"fc2", 90},
    {"output.LayerNorm", 100},
};

constexpr int kUnknownRank = 1000;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Calls `visit` with each '.'-separated component until it returns true; whether it did.
template <typename Visit>
bool any_component(std::string_view name, Visit visit) {
    for (;;) {
        const std::size_t dot = name.find('.');
        if (visit(name.substr(0, dot))) return true;
        if (dot == std::string_view::npos) return false;
        name.remove_prefix(dot + 1);
    }
}

bool ends_with_components(std::string_view name, std::string_view suffix) {
    return name.ends_with(suffix) && (name.size() == suffix.size() || name[name.size() - suffix.size() - 1] == '.');
}

std::string_view last_component(std::string_view name) {
    return name.substr(name.rfind('.') + 1);
}

std::string_view block_prefix(std::string_view name) {
    std::size_t end = 0;
    for (std::size_t at = 0; at < name.size();) {
        const std::size_t dot = name.find('.', at);
        if (dot == std::string_view::npos) break;
        const std::string_view part = name.substr(at, dot - at);
        if (!part.empty() && std::all_of(part.begin(), part.end(), is_digit)) end = dot + 1;
        at = dot + 1;
    }
    return name.substr(0, end);
}

int section_of(std::string_view name, std::string_view prefix) {
    static constexpr std::array<std::string_view, 6> kHeads = {"lm_head",  "classifier", "head",
                                                               "proj_out", "pooler",     "score"};
    if (!prefix.empty()) return any_component(prefix, [](std::string_view part) { return part == "decoder"; }) ? 2 : 1;
    if (name.find("embed") != std::string_view::npos) return 0;
    const bool is_head = any_component(
        name, [](std::string_view part) { return std::find(kHeads.begin(), kHeads.end(), part) != kHeads.end(); });
    return is_head ? 4 : 3;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

}  // namespace

NameFacts facts_of(std::string_view name) {
    NameFacts facts;
    facts.prefix = block_prefix(name);
    facts.section = section_of(name, facts.prefix);
    for (const Convention& convention : kConventions) {
        if (!ends_with_components(name, convention.suffix)) continue;
        if (!facts.prefix.empty()) facts.rank = convention.rank;
        facts.activation = convention.activation;
        break;
    }
    // MobileViT follows ViT's names but not its activation.
    if (facts.activation == Activation::kGelu && name.starts_with("mobilevit")) facts.activation = Activation::kSilu;
    return facts;
}

std::strong_ordering natural_order(std::string_view a, std::string_view b) {
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.size() && j < b.size()) {
        if (is_digit(a[i]) && is_digit(b[j])) {
            const auto number_at = [](std::string_view text, std::size_t& at) {
                while (at < text.size() && text[at] == '0')
                    ++at;
                const std::size_t start = at;
                while (at < text.size() && is_digit(text[at]))
                    ++at;
                return text.substr(start, at - start);
            };
            const std::string_view left = number_at(a, i);
            const std::string_view right = number_at(b, j);
            if (left.size() != right.size()) return left.size() <=> right.size();
            if (left != right) return left <=> right;
        } else {
            if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) <=> static_cast<unsigned char>(b[j]);
            ++i;
            ++j;
        }
    }
    if (i < a.size() || j < b.size()) return (i < a.size()) <=> (j < b.size());
    return a <=> b;  // differ in leading zeros at most
}

bool runs_before(std::string_view a, std::string_view b) {
    const NameFacts left = facts_of(a);
    const NameFacts right = facts_of(b);
    if (left.section != right.section) return left.section < right.section;
    if (left.prefix != right.prefix) return natural_order(left.prefix, right.prefix) < 0;
    const auto rank = [](const NameFacts& facts) { return facts.rank == 0 ? kUnknownRank : facts.rank; };
    if (rank(left) != rank(right)) return rank(left) < rank(right);
    return natural_order(a, b) < 0;
}

TableName table_name(std::string_view name) {
    // The number of a table among others is no name: embed_tokens.3.
    std::string_view part = last_component(name);
    while (!part.empty() && std::all_of(part.begin(), part.end(), is_digit) && part.size() < name.size()) {
        name.remove_suffix(part.size() + 1);
        part = last_component(name);
    }
    constexpr std::string_view kKnown[] = {
        "wte", "wpe", "shared", "token_type", "embed_tokens", "embed_positions", "tok_embeddings"};
    if (std::find(std::begin(kKnown), std::end(kKnown), part) != std::end(kKnown)) return TableName::kKnown;
    if (part.ends_with("relative_attention_bias") || part.ends_with("bias_table")) return TableName::kKnown;
    const std::string_view last = part.substr(part.rfind('_') + 1), first = part.substr(0, part.find('_'));
    if (last == "embedding" || last == "embeddings") return TableName::kKnown;
    constexpr std::string_view kLast[] = {"embed",    "embeds",    "emb", "embs", "embd",
                                          "codebook", "codebooks", "wte", "wpe"};
    if (std::find(std::begin(kLast), std::end(kLast), last) != std::end(kLast)) return TableName::kLikely;
    constexpr std::string_view kFirst[] = {"embed", "emb", "embedding", "embeddings"};
    constexpr std::string_view kOfWhat[] = {"token",    "tokens",    "position", "positions", "type",
                                            "types",    "char",      "chars",    "byte",      "bytes",
                                            "language", "languages", "segment",  "segments"};
    const bool likely = std::find(std::begin(kFirst), std::end(kFirst), first) != std::end(kFirst) &&
                        std::find(std::begin(kOfWhat), std::end(kOfWhat), last) != std::end(kOfWhat);
    return likely ? TableName::kLikely : TableName::kNone;
}

bool is_adapter_name(std::string_view name) {
    constexpr std::string_view kParts[] = {"lora_A",
                                           "lora_B",
                                           "lora_embedding_A",
                                           "lora_embedding_B",
                                           "lora_down",
                                           "lora_up",
                                           "lora_magnitude_vector",
                                           "hada_w1_a",
                                           "hada_w1_b",
                                           "hada_w2_a",
                                           "hada_w2_b",
                                           "ia3_l"};
    return any_component(name, [&](std::string_view part) {
        return std::find(std::begin(kParts), std::end(kParts), part) != std::end(kParts);
    });
}

bool is_experts_name(std::string_view name) {
    return any_component(name, [](std::string_view part) { return part.ends_with("experts"); });
}

bool is_head_norm_name(std::string_view name) {
    const std::string_view part = last_component(name);
    return part == "q_norm" || part == "k_norm" || part == "q_layernorm" || part == "k_layernorm";
}

bool is_norm_name(std::string_view name) {
    const std::string part = lower(last_component(name));
    return !is_head_norm_name(name) &&
           (part.find("norm") != std::string::npos || part == "ln" || part.starts_with("ln_"));
}

}  // namespace octile
