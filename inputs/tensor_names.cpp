#include "inputs/tensor_names.h"

#include <algorithm>
#include <cctype>

namespace octile {
namespace {

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

std::string_view last_component(std::string_view name) {
    return name.substr(name.rfind('.') + 1);
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

}  // namespace

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
