#include "inputs/gguf/config_builder.h"

#include <fmt/format.h>

#include <utility>

#include "inputs/gguf/values.h"

namespace octile {

std::string GgufConfigBuilder::full(std::string_view key) const {
    return fmt::format("{}.{}", model_.architecture_name(), key);
}

const GgufValue* GgufConfigBuilder::take(std::string_view key) {
    const std::string name = full(key);
    if (ignored_.contains(name)) return nullptr;
    known_.insert(name);
    return model_.header().find(name);
}

std::uint64_t GgufConfigBuilder::count(std::string_view key) {
    const GgufValue* const value = take(key);
    return value ? gguf_count(*value, full(key)) : 0;
}

void GgufConfigBuilder::set(const char* key, std::string source, nlohmann::json value) {
    config_.document[key] = std::move(value);
    config_.sources[key] = std::move(source);
}

void GgufConfigBuilder::copy(std::span<const SameKey> keys) {
    for (const SameKey& same : keys)
        if (const GgufValue* const value = take(same.gguf))
            set(same.config, full(same.gguf), gguf_json(*value, full(same.gguf)));
}

}  // namespace octile
