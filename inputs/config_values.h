// Values of a transformers config.json, with errors (json_document.h) that name the key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "octile/types.h"

namespace octile {

// Thrown where --tokens is needed and was not given.
struct NeedsTokens {};

class Config {
  public:
    explicit Config(const nlohmann::json& document, std::optional<std::int64_t> tokens = std::nullopt)
        : document_(document), tokens_(tokens) {}

    bool has(const char* key) const { return document_.contains(key) && !document_[key].is_null(); }
    // The value of a key that is there.
    const nlohmann::json& at(const char* key) const { return document_[key]; }

    // An extent: 1 to 2^31 - 1.
    std::int64_t extent(const char* key) const;
    std::int64_t extent_or(const char* key, std::int64_t otherwise) const { return has(key) ? extent(key) : otherwise; }
    // Finite and above 0.
    double number(const char* key) const;
    double number_or(const char* key, double otherwise) const { return has(key) ? number(key) : otherwise; }
    // The epsilon of the network's norms; empty where the configuration does not say it.
    std::optional<double> epsilon(const char* key) const;
    bool flag_or(const char* key, bool otherwise) const;
    std::string word_or(const char* key, const char* otherwise) const;

    // The activation that transformers calls so. Those that Octile has no name for are none: they run by themselves.
    Activation activation(const char* key, const char* otherwise) const;

    // Whether an architecture's name has `part` in it. Without "architectures", the network is the bare one.
    bool architecture_has(std::string_view part) const;
    // Classes of a classifier: num_labels, or as many as id2label has; transformers' default is 2.
    std::int64_t labels() const;

    std::int64_t tokens() const {
        if (!tokens_) throw NeedsTokens{};
        return *tokens_;
    }
    std::int64_t tokens_or(std::int64_t otherwise) const { return tokens_.value_or(otherwise); }

  private:
    const nlohmann::json& document_;
    std::optional<std::int64_t> tokens_;
};

// Shapes of a llama, mistral, qwen2 or qwen3.
struct LlamaSizes {
    std::int64_t hidden, ffn, blocks, heads, key_heads, head;
    bool qkv_bias, out_bias, ffn_bias;
    Activation activation;
};
LlamaSizes llama_sizes(const Config& config);

// What a configuration at `path` calls its network: the file's stem, or, where that is "config", its folder.
std::string name_of_model(const std::filesystem::path& path);

}  // namespace octile
