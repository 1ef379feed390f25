// The configuration of a GGUF file's network while it is made, key by key.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

#include "inputs/gguf/config.h"

namespace octile {

// A key behind the architecture's name, and the configuration's that says the same.
struct SameKey {
    std::string_view gguf;
    const char* config;
};

// What reads values throws WrongValue.
class GgufConfigBuilder {
  public:
    // Both outlive it; `model` is of an architecture that is known.
    GgufConfigBuilder(const GgufModel& model, const std::set<std::string, std::less<>>& ignored)
        : model_(model), ignored_(ignored) {}

    const GgufModel& model() const { return model_; }
    const GgufArchitecture& architecture() const { return *model_.architecture(); }
    GgufConfig& config() { return config_; }

    // "llama.block_count" of "block_count".
    std::string full(std::string_view key) const;
    // The value of a key of the architecture, which counts as known then; null: there is none.
    const GgufValue* take(std::string_view key);
    // 0: no key says it.
    std::uint64_t count(std::string_view key);
    // By its whole name.
    bool is_known(const std::string& name) const { return known_.contains(name) || ignored_.contains(name); }

    bool has(const char* key) const { return config_.document.contains(key); }
    void set(const char* key, std::string source, nlohmann::json value);
    void copy(std::span<const SameKey> keys);

  private:
    const GgufModel& model_;
    const std::set<std::string, std::less<>>& ignored_;
    GgufConfig config_;
    std::unordered_set<std::string> known_;
};

// What keys and tensors say of the rotary embedding of heads of `width` features; 0: not known.
void add_gguf_rotary(GgufConfigBuilder& builder, std::uint64_t width);

}  // namespace octile
