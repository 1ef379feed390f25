// Values of a transformers config.json, with errors (base/json_document.h) that name the key. Of weights that have no
// configuration beside them there is none: every key is absent then.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "octile/types.h"

namespace octile {

// "relu", "gelu_new", ... as transformers calls them; nothing for those that Octile has no name for.
std::optional<Activation> activation_called(std::string_view name);

class Config {
  public:
    // No configuration.
    Config() = default;
    // `document`, an object, has to outlive this.
    explicit Config(const nlohmann::json& document) : document_(&document) {}

    bool exists() const { return document_ != nullptr; }
    // Whether the key is there and not null.
    bool has(const char* key) const;
    // Whether the key is there, null or not.
    bool lists(const char* key) const { return document_ != nullptr && document_->contains(key); }
    // The value of a key that is there.
    const nlohmann::json& at(const char* key) const { return (*document_)[key]; }
    // An object's values; those of no configuration where the key is absent.
    Config object(const char* key) const;

    // An extent: 1 to 2^31 - 1.
    std::int64_t extent(const char* key) const;
    std::int64_t extent_or(const char* key, std::int64_t otherwise) const { return has(key) ? extent(key) : otherwise; }
    // An integer from 0 on.
    std::int64_t count_or(const char* key, std::int64_t otherwise) const;
    // Finite and above 0.
    double number(const char* key) const;
    double number_or(const char* key, double otherwise) const { return has(key) ? number(key) : otherwise; }
    bool flag_or(const char* key, bool otherwise) const;
    std::string word_or(const char* key, const char* otherwise) const;
    // The first of a pair such as an image's [height, width], or the one number that stands for both.
    std::int64_t pair_or(const char* key, std::int64_t otherwise) const;

    // Whether an architecture's name has `part` in it. Without "architectures", the network is the bare one.
    bool architecture_has(std::string_view part) const;
    // The first of "architectures"; empty: there is none.
    std::string architecture() const;
    // Classes of a classifier: num_labels, or as many as id2label has; transformers' default is 2.
    std::int64_t labels() const;

  private:
    const nlohmann::json* document_ = nullptr;
};

}  // namespace octile
