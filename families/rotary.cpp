#include "families/rotary.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_document.h"
#include "base/printable.h"

namespace octile {
namespace {

using internal::quote;
using nlohmann::json;

constexpr const char* kNoRotary = "attention with a rotary embedding that no session has";

// transformers/modeling_rope_utils.py, 5.24: llama3 has no defaults for these.
constexpr const char* kLlama3Keys[] = {"factor", "low_freq_factor", "high_freq_factor",
                                       "original_max_position_embeddings"};

// Whether some layer is of a type that does not see all tokens before it.
bool has_other_layers(const Config& config) {
    if (!config.has("layer_types")) return false;
    const json& types = config.at("layer_types");
    if (!types.is_array()) fail_at("layer_types", "expected an array of names, found " + found(types));
    return std::any_of(types.begin(), types.end(), [](const json& type) { return type != "full_attention"; });
}

// The parameters of the layer type that all layers are, where there are some for each type.
Config parameters_of(NetworkBuilder& builder, const char* key) {
    const Config parameters = builder.config.object(key);
    if (!parameters.has("full_attention") && !parameters.has("sliding_attention")) return parameters;
    if (parameters.has("full_attention")) {
        // Layers within a window that no text is longer than see everything, and turn by their own angles.
        if (has_other_layers(builder.config) && (!parameters.has("sliding_attention") ||
                                                 parameters.at("sliding_attention") != parameters.at("full_attention")))
            builder.refuse(fmt::format("{}: expected the same parameters for every layer, found others", key));
        return parameters.object("full_attention");
    }
    builder.refuse(fmt::format("{}: expected parameters of full_attention, found others", key));
    return Config();
}

// Reads one of the two keys into `facts`.
void read_rotary(NetworkBuilder& builder, const char* key, AttentionFacts& facts) {
    const Config parameters = parameters_of(builder, key);
    if (!parameters.exists()) return;
    facts.rotary->theta = parameters.number_or("rope_theta", facts.rotary->theta);
    if (parameters.number_or("partial_rotary_factor", 1) != 1) {
        builder.refuse(fmt::format("{}.partial_rotary_factor: expected 1, found {}", key,
                                   parameters.number("partial_rotary_factor")));
        facts.why = kNoRotary;
    }
    const std::string kind = parameters.word_or("rope_type", parameters.word_or("type", "default").c_str());
    if (kind == "default") return;
    if (kind != "llama3") {
        builder.refuse(fmt::format("{}: expected rope_type default or llama3, found {}", key, quote(kind)));
        facts.why = kNoRotary;
        return;
    }
    for (const char* needed : kLlama3Keys) {
        if (parameters.has(needed)) continue;
        builder.refuse(fmt::format("{}.{}: expected a number for rope_type llama3, found no such key", key, needed));
        facts.why = kNoRotary;
        return;
    }
    facts.rotary->scaling = RotaryScaling{.factor = parameters.number("factor"),
                                          .low_frequency = parameters.number("low_freq_factor"),
                                          .high_frequency = parameters.number("high_freq_factor"),
                                          .original_context = parameters.extent("original_max_position_embeddings")};
    if (facts.rotary->scaling->high_frequency > facts.rotary->scaling->low_frequency) return;
    builder.refuse(fmt::format("{}.high_freq_factor: expected more than low_freq_factor, found {}", key,
                               facts.rotary->scaling->high_frequency));
    facts.why = kNoRotary;
}

// Whether some layer is of a type that is neither.
bool has_unknown_layers(const Config& config) {
    if (!has_other_layers(config)) return false;
    const json& types = config.at("layer_types");
    return std::any_of(types.begin(), types.end(),
                       [](const json& type) { return type != "full_attention" && type != "sliding_attention"; });
}

// The window of some layers; 0: every layer sees everything.
std::int64_t window_of(const NetworkBuilder& builder, std::int64_t otherwise, bool windowed) {
    const Config& config = builder.config;
    if (!config.flag_or("use_sliding_window", windowed)) return 0;
    const bool is_null = config.exists() && config.lists("sliding_window") && !config.has("sliding_window");
    const std::int64_t window = is_null ? 0 : config.count_or("sliding_window", otherwise);
    if (window == 0 || (config.has("layer_types") && !has_other_layers(config))) return 0;
    // Layers from this one on have the window, unless layer_types says it for each.
    const bool all_full = !config.has("layer_types") && config.has("use_sliding_window") &&
                          config.count_or("max_window_layers", 28) >= config.extent_or("num_hidden_layers", 1);
    // No text is longer than the window.
    const bool long_enough =
        config.has("max_position_embeddings") && config.extent("max_position_embeddings") <= window;
    return all_full || long_enough ? 0 : window;
}

}  // namespace

Words rotary_keys() {
    return {"rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor", "max_position_embeddings"};
}

Words window_keys() {
    return {"sliding_window", "use_sliding_window", "max_window_layers", "layer_types"};
}

std::optional<std::int64_t> AttentionFacts::window_of(const Config& config, std::int64_t block) const {
    if (window == 0 || block < first_windowed) return std::nullopt;
    if (config.has("layer_types")) {
        const json& types = config.at("layer_types");
        if (static_cast<std::size_t>(block) >= types.size())
            fail_at("layer_types", fmt::format("expected a name for each layer, found {}", types.size()));
        if (types[static_cast<std::size_t>(block)] != "sliding_attention") return std::nullopt;
    }
    return window - 1;
}

AttentionFacts attention_facts(NetworkBuilder& builder, double theta, std::int64_t window, bool windowed,
                               WindowPlaces places) {
    const Config& config = builder.config;
    AttentionFacts facts{.rotary = Rotary{config.number_or("rope_theta", theta)}, .why = {}};
    if (!config.exists()) facts.why = "attention of an unknown number of heads";
    if (config.number_or("partial_rotary_factor", 1) != 1) {
        builder.refuse(
            fmt::format("partial_rotary_factor: expected 1, found {}", config.number("partial_rotary_factor")));
        facts.why = kNoRotary;
    }
    for (const char* key : {"rope_scaling", "rope_parameters"})
        if (config.has(key)) read_rotary(builder, key, facts);
    if (!(facts.rotary->theta > 1)) {
        builder.refuse(fmt::format("rope_theta: expected a number > 1, found {}", facts.rotary->theta));
        facts.why = kNoRotary;
    }
    const std::int64_t rows = window_of(builder, window, windowed);
    if (rows > 0 && !has_unknown_layers(config) && (config.has("layer_types") || places != WindowPlaces::kUnknown)) {
        facts.window = rows;
        if (!config.has("layer_types") && places == WindowPlaces::kLast)
            facts.first_windowed = config.count_or("max_window_layers", 28);
    } else if (rows > 0) {
        builder.refuse(fmt::format(
            "sliding_window: expected none, found {}: texts of up to {} tokens would be the same", rows, rows));
        facts.why = "attention within a window";
    } else if (has_unknown_layers(config)) {
        builder.refuse("layer_types: expected full_attention in every layer, found another");
        facts.why = "attention of another type";
    }
    return facts;
}

}  // namespace octile
