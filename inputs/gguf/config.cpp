// Keys: gguf/constants.py of the gguf package, 0.19; what llama.cpp takes for granted where no key says it: its
// src/llama-model.cpp of 2025 and 2026.
#include "inputs/gguf/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "base/json_document.h"
#include "base/limits.h"
#include "inputs/gguf/rope_factors.h"
#include "inputs/gguf/values.h"
#include "inputs/messages.h"
#include "inputs/tensor_values.h"

namespace octile {
namespace {

using nlohmann::json;

// A key behind the architecture's name, and the configuration's that says the same.
struct SameKey {
    std::string_view gguf;
    const char* config;
};
constexpr SameKey kSameKeys[] = {{"context_length", "max_position_embeddings"},
                                 {"embedding_length", "hidden_size"},
                                 {"block_count", "num_hidden_layers"},
                                 {"feed_forward_length", "intermediate_size"},
                                 {"attention.head_count", "num_attention_heads"},
                                 {"rope.freq_base", "rope_theta"}};
constexpr SameKey kDecoderKeys[] = {{"attention.head_count_kv", "num_key_value_heads"},
                                    {"attention.key_length", "head_dim"},
                                    {"attention.layer_norm_rms_epsilon", "rms_norm_eps"}};
constexpr SameKey kEncoderKeys[] = {{"attention.layer_norm_epsilon", "layer_norm_eps"}};
constexpr SameKey kWindowKeys[] = {{"attention.sliding_window", "sliding_window"}};
constexpr SameKey kGemmaKeys[] = {{"attn_logit_softcapping", "attn_logit_softcapping"},
                                  {"final_logit_softcapping", "final_logit_softcapping"},
                                  // Of converters that are not llama.cpp's.
                                  {"rope.global.freq_base", "rope_theta"},
                                  {"rope.local.freq_base", "rope_local_base_freq"},
                                  {"rope.freq_base_swa", "rope_local_base_freq"}};

// What llama.cpp takes for granted, whatever a configuration's class does.
constexpr double kThetaOfNoKey = 10000;

// Keys that change nothing at these values.
struct Neutral {
    std::string_view gguf;
    double value;
};
constexpr Neutral kNeutral[] = {{"expert_count", 0},
                                {"expert_used_count", 0},
                                {"attention.max_alibi_bias", 0},
                                {"attention.clamp_kqv", 0},
                                {"rope.scale_linear", 1}};

// Of training, or of a vocabulary whose size the table of tokens tells.
constexpr std::string_view kIndifferent[] = {"rope.scaling.finetuned", "vocab_size"};

// Gemma 2 and 3 of 27 billion parameters scale queries by their own number: llama.cpp tells them by their blocks.
bool scales_by_width(std::string_view architecture, std::uint64_t blocks) {
    return (architecture == "gemma2" && blocks == 46) || (architecture == "gemma3" && blocks == 62);
}

class Builder {
  public:
    Builder(const GgufModel& model, const std::set<std::string, std::less<>>& ignored)
        : model_(model), architecture_(*model.architecture()), ignored_(ignored) {}

    // Throws WrongValue.
    GgufConfig run() {
        config_.architecture = architecture_.name;
        set("model_type", "general.architecture", architecture_.model_type);
        copy(kSameKeys);
        if (architecture_.decoder)
            add_decoder();
        else
            add_encoder();
        add_vocabulary();
        add_causal();
        add_pooling();
        find_unknown();
        return std::move(config_);
    }

  private:
    std::string full(std::string_view key) const { return fmt::format("{}.{}", model_.architecture_name(), key); }

    // The value of a key of the architecture, which counts as known then; null: there is none.
    const GgufValue* take(std::string_view key) {
        const std::string name = full(key);
        if (ignored_.contains(name)) return nullptr;
        known_.insert(name);
        return model_.header().find(name);
    }

    void set(const char* key, std::string source, json value) {
        config_.document[key] = std::move(value);
        config_.sources[key] = std::move(source);
    }

    void copy(const SameKey& same) {
        if (const GgufValue* const value = take(same.gguf))
            set(same.config, full(same.gguf), gguf_json(*value, full(same.gguf)));
    }
    void copy(std::span<const SameKey> keys) {
        for (const SameKey& same : keys)
            copy(same);
    }

    // 0: no key says it.
    std::uint64_t count(std::string_view key) {
        const GgufValue* const value = take(key);
        return value ? gguf_count(*value, full(key)) : 0;
    }

    // Rows of a tensor, by transformers' name; 0: it is not there.
    std::uint64_t rows_of(std::string_view file_name) const {
        const TensorInfo* const tensor = model_.find_in_file(file_name);
        return tensor && tensor->shape.size() == 2 ? static_cast<std::uint64_t>(tensor->shape.front()) : 0;
    }

    void add_vocabulary() {
        if (const std::uint64_t rows = rows_of("token_embd.weight"); rows > 0)
            set("vocab_size", "token_embd.weight", rows);
    }

    void add_encoder() {
        copy(kEncoderKeys);
        if (const std::uint64_t rows = rows_of("token_types.weight"); rows > 0)
            set("type_vocab_size", "token_types.weight", rows);
        // Tables of positions are as long as they are: a converter cuts off what stands before the first token's.
        if (const std::uint64_t rows = rows_of("position_embd.weight"); rows > 0)
            set("max_position_embeddings", "position_embd.weight", rows);
        set("architectures", "general.architecture", json::array({architecture_.bare}));
        const std::uint64_t width = head_width();
        check_width(width);
        check_values(width);
        add_rotary(width);
    }

    void add_decoder() {
        copy(kDecoderKeys);
        const std::uint64_t width = head_width(), heads = count("attention.head_count");
        // Without their keys these are not the defaults of a configuration's class.
        if (width > 0 && !config_.document.contains("head_dim")) set("head_dim", full("embedding_length"), width);
        if (heads > 0 && !config_.document.contains("num_key_value_heads"))
            set("num_key_value_heads", full("attention.head_count"), heads);
        check_values(width);
        const bool tied = !model_.find_in_file("output.weight");
        set("tie_word_embeddings", "output.weight", tied);
        set("architectures", "general.architecture", json::array({architecture_.network}));
        if (architecture_.windows > 0) add_gemma(width);
        if (architecture_.name == "gemma3" || architecture_.name == "gemma2") copy(kGemmaKeys);
        add_windows();
        add_rotary(width);
    }

    // Of a head; 0: not known.
    std::uint64_t head_width() {
        if (const std::uint64_t width = count("attention.key_length"); width > 0) return width;
        const std::uint64_t heads = count("attention.head_count");
        return heads == 0 ? 0 : count("embedding_length") / heads;
    }

    // An encoder's heads share the hidden size.
    void check_width(std::uint64_t width) {
        const std::uint64_t heads = count("attention.head_count"), hidden = count("embedding_length");
        if (!take("attention.key_length") || heads == 0 || width == hidden / heads) return;
        fail_at(full("attention.key_length"), fmt::format("expected {}, found {}", hidden / heads, width));
    }

    void check_values(std::uint64_t width) {
        const GgufValue* const value = take("attention.value_length");
        if (!value || gguf_count(*value, full("attention.value_length")) == width) return;
        fail_at(full("attention.value_length"), fmt::format("expected as many as keys have, {}, found {}", width,
                                                            gguf_count(*value, full("attention.value_length"))));
    }

    void add_windows() {
        const bool mistral = architecture_.name == "llama";  // llama.cpp's name for both
        if (architecture_.windows == 0 && !mistral && architecture_.name != "phi3") return;
        const bool none = count("attention.sliding_window") == 0;
        // Without the key, a gemma2 has the window of its configuration's class.
        if (none && architecture_.name != "gemma3") return;
        if (!none) {
            if (mistral) set("model_type", "general.architecture", "mistral");
            copy(kWindowKeys);
        }
        const std::vector<bool> flags = none ? std::vector<bool>(few_blocks()) : pattern();
        if (flags.empty()) return;
        json types = json::array();
        for (const bool windowed : flags)
            types.push_back(windowed ? "sliding_attention" : "full_attention");
        set("layer_types", full("attention.sliding_window_pattern"), std::move(types));
    }

    // Which blocks have the window; empty: no key says it, and the configuration's class does.
    std::vector<bool> pattern() {
        const GgufValue* const value = take("attention.sliding_window_pattern");
        const std::uint64_t blocks = few_blocks();
        if (value && value->is_array && value->kind == GgufKind::kBool) {
            std::vector<bool> flags = gguf_flags(*value);
            if (flags.size() == blocks) return flags;
            fail_at(full("attention.sliding_window_pattern"),
                    fmt::format("expected one for each of {} blocks, found {}", blocks, flags.size()));
        }
        if (!value && architecture_.windows == 0) return {};
        const std::uint64_t every = value ? gguf_count(*value, full("attention.sliding_window_pattern"))
                                          : static_cast<std::uint64_t>(architecture_.windows);
        std::vector<bool> flags;
        for (std::uint64_t block = 0; block < blocks; block++)
            flags.push_back(every == 0 || (block + 1) % every != 0);
        return flags;
    }

    // 0: none, or so many that they are refused as a number of blocks.
    std::uint64_t few_blocks() {
        const std::uint64_t blocks = count("block_count");
        return blocks > limits::kNetworkNodes ? 0 : blocks;
    }

    void add_gemma(std::uint64_t width) {
        const std::uint64_t blocks = count("block_count"), heads = count("attention.head_count");
        if (width == 0 || heads == 0) return;
        const bool by_width = scales_by_width(architecture_.name, blocks);
        set("query_pre_attn_scalar", full("attention.key_length"),
            by_width ? count("embedding_length") / heads : width);
    }

    // `width` of a head.
    void add_rotary(std::uint64_t width) {
        if (!config_.document.contains("rope_theta") && architecture_.rotary)
            set("rope_theta", full("rope.freq_base"), kThetaOfNoKey);
        if (const GgufValue* const rotated = take("rope.dimension_count"); rotated && width > 0) {
            const std::uint64_t found = gguf_count(*rotated, full("rope.dimension_count"));
            if (found > width)
                fail_at(full("rope.dimension_count"),
                        fmt::format("expected at most {}, the width of a head, found {}", width, found));
            if (found < width)
                set("partial_rotary_factor", full("rope.dimension_count"),
                    static_cast<double>(found) / static_cast<double>(width));
        }
        add_scaling();
        if (const TensorInfo* const factors = model_.find_in_file("rope_freqs.weight")) add_llama3(*factors, width);
        const TensorInfo *const longs = model_.find_in_file("rope_factors_long.weight"),
                                *const shorts = model_.find_in_file("rope_factors_short.weight");
        if (longs && shorts) add_longrope(*longs, *shorts);
    }

    void add_scaling() {
        const GgufValue* const type = take("rope.scaling.type");
        const GgufValue *const factor = take("rope.scaling.factor"), *const context =
                                                                         take("rope.scaling.original_context_length");
        attention_factor_ = take("rope.scaling.attn_factor");
        if (context) original_context_ = gguf_json(*context, full("rope.scaling.original_context_length"));
        const std::string kind = type ? gguf_word(*type, full("rope.scaling.type")) : factor ? "linear" : "none";
        if (kind == "none") return;
        json scaling = {{"rope_type", kind}};
        if (factor) scaling["factor"] = gguf_json(*factor, full("rope.scaling.factor"));
        if (!original_context_.is_null()) scaling["original_max_position_embeddings"] = original_context_;
        set("rope_scaling", full(type ? "rope.scaling.type" : "rope.scaling.factor"), std::move(scaling));
    }

    // Factors of single frequencies: llama3's, or nobody's.
    void add_llama3(const TensorInfo& factors, std::uint64_t width) {
        const auto base = config_.document.find("rope_theta");
        const double theta = base != config_.document.end() && base->is_number() ? base->get<double>() : 10000;
        const std::int64_t context = original_context_.is_number_integer() ? original_context_.get<std::int64_t>() : 0;
        if (!has_float_values(factors) || elements_of(factors) > limits::kRopeFactors)
            fail_at("rope_freqs.weight",
                    "expected factors in floats, found " + std::string(factors.dtype) + " " + shape_text(factors));
        const std::vector<float> values = values_of(factors);
        if (std::all_of(values.begin(), values.end(), [](float value) { return value == 1; })) return;
        json scaling = {{"rope_type", "factors of rope_freqs.weight that are not llama3's"}};
        if (const std::optional<Llama3Factors> found = llama3_factors(values, theta, width, context)) {
            scaling = {{"rope_type", "llama3"},
                       {"factor", found->factor},
                       {"low_freq_factor", found->low},
                       {"high_freq_factor", found->high},
                       {"original_max_position_embeddings", static_cast<std::uint64_t>(found->context)}};
            config_.notes.push_back(
                fmt::format("rope_freqs.weight: the factors are those of llama3's scaling by {}, of {} tokens",
                            found->factor, found->context));
        }
        set("rope_scaling", "rope_freqs.weight", std::move(scaling));
    }

    void add_longrope(const TensorInfo& longs, const TensorInfo& shorts) {
        json scaling = {{"rope_type", "longrope"}};
        for (const auto& [key, tensor] : {std::pair("long_factor", &longs), {"short_factor", &shorts}}) {
            if (!has_float_values(*tensor) || elements_of(*tensor) > limits::kRopeFactors)
                fail_at(
                    key == std::string_view("long_factor") ? "rope_factors_long.weight" : "rope_factors_short.weight",
                    "expected factors in floats, found " + std::string(tensor->dtype) + " " + shape_text(*tensor));
            scaling[key] = values_of(*tensor);
        }
        if (attention_factor_)
            scaling["attention_factor"] = gguf_json(*attention_factor_, full("rope.scaling.attn_factor"));
        if (!original_context_.is_null())
            set("original_max_position_embeddings", full("rope.scaling.original_context_length"), original_context_);
        set("rope_scaling", "rope_factors_long.weight", std::move(scaling));
    }

    void add_causal() {
        const GgufValue* const value = take("attention.causal");
        if (!value) return;
        const json causal = gguf_json(*value, full("attention.causal"));
        if (!causal.is_boolean()) fail_at(full("attention.causal"), "expected true or false, found " + found(causal));
        if (causal.get<bool>() != architecture_.decoder)
            set("is_decoder", full("attention.causal"), causal.get<bool>());
    }

    void add_pooling() {
        const GgufValue* const value = take("pooling_type");
        if (!value) return;
        // llama.cpp's enum llama_pooling_type.
        constexpr std::array kPoolings = {Pooling::kMean, Pooling::kFirst, Pooling::kLast};
        const std::uint64_t type = gguf_count(*value, full("pooling_type"));
        if (type == 0) return;
        if (type > kPoolings.size()) {
            fail_at(full("pooling_type"),
                    fmt::format("expected 0 (none), 1 (mean), 2 (cls) or 3 (last), found {}{}", type,
                                type == kPoolings.size() + 1 ? " (rank): no session runs its classifier" : ""));
        }
        config_.pooling = kPoolings[type - 1];
        set("architectures", "general.architecture", json::array({architecture_.bare}));
    }

    void find_unknown() {
        const std::string beginning = model_.architecture_name() + ".";
        for (const GgufKey& key : model_.header().keys) {
            if (!key.name.starts_with(beginning) || known_.contains(key.name) || ignored_.contains(key.name)) continue;
            const std::string_view own = std::string_view(key.name).substr(beginning.size());
            if (std::find(std::begin(kIndifferent), std::end(kIndifferent), own) != std::end(kIndifferent)) continue;
            // How q and k lie: as llama.cpp's own converter has them.
            if (own == "tensor_data_layout" && gguf_text(key.value) == "Meta AI original pth") continue;
            if (is_neutral(own, key)) continue;
            config_.unknown_keys.push_back(key.name);
        }
    }

    static bool is_neutral(std::string_view own, const GgufKey& key) {
        const auto* const neutral =
            std::find_if(std::begin(kNeutral), std::end(kNeutral), [&](const Neutral& one) { return one.gguf == own; });
        if (neutral == std::end(kNeutral) || key.value.kind == GgufKind::kString || key.value.is_array) return false;
        const json value = gguf_json(key.value, key.name);
        return value.is_number() && value.get<double>() == neutral->value;
    }

    const GgufModel& model_;
    const GgufArchitecture& architecture_;
    const std::set<std::string, std::less<>>& ignored_;
    GgufConfig config_;
    std::unordered_set<std::string> known_;
    json original_context_;
    const GgufValue* attention_factor_ = nullptr;
};

}  // namespace

Result<GgufConfig> gguf_config(const GgufModel& model, const std::set<std::string, std::less<>>& ignored) try {
    if (!model.architecture()) {
        const std::string& name = model.architecture_name();
        return Status(StatusCode::kUnsupported,
                      fmt::format("general.architecture: expected one of {}, found {}", gguf_architectures_text(),
                                  name.empty() ? "no such key" : internal::quote(name)));
    }
    return Builder(model, ignored).run();
} catch (const WrongValue& wrong) {
    return parse_error(fmt::format("{}: {}", wrong.pointer, wrong.text));
}

std::string in_words_of_file(const GgufConfig& config, const std::string& message) {
    const std::string type = "model_type " + config.document.value("model_type", "");
    if (message.starts_with(type)) return "general.architecture " + config.architecture + message.substr(type.size());
    const std::size_t end = std::min(message.find_first_of(":. ["), message.size());
    const auto source = config.sources.find(std::string_view(message).substr(0, end));
    std::string words = source == config.sources.end() ? message : source->second + message.substr(end);
    constexpr std::string_view kConfig = "as config.json says";
    if (const std::size_t at = words.find(kConfig); at != std::string::npos)
        words.replace(at, kConfig.size(), "as its keys say");
    return words;
}

}  // namespace octile
