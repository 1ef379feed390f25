// Keys: gguf/constants.py of the gguf package, 0.19; what llama.cpp takes for granted where no key says it: its
// src/llama-model.cpp of 2025 and 2026.
#include "inputs/gguf/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/json_document.h"
#include "base/limits.h"
#include "inputs/gguf/config_builder.h"
#include "inputs/gguf/values.h"
#include "inputs/messages.h"

namespace octile {
namespace {

using nlohmann::json;

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

class Reader {
  public:
    Reader(const GgufModel& model, const std::set<std::string, std::less<>>& ignored) : b_(model, ignored) {}

    // Throws WrongValue.
    GgufConfig run() {
        b_.config().architecture = architecture_.name;
        b_.set("model_type", "general.architecture", architecture_.model_type);
        b_.copy(kSameKeys);
        if (architecture_.decoder)
            add_decoder();
        else
            add_encoder();
        add_vocabulary();
        add_causal();
        add_pooling();
        find_unknown();
        return std::move(b_.config());
    }

  private:
    // Rows of a tensor, by transformers' name; 0: it is not there.
    std::uint64_t rows_of(std::string_view file_name) const {
        const TensorInfo* const tensor = b_.model().find_in_file(file_name);
        return tensor && tensor->shape.size() == 2 ? static_cast<std::uint64_t>(tensor->shape.front()) : 0;
    }

    void add_vocabulary() {
        if (const std::uint64_t rows = rows_of("token_embd.weight"); rows > 0)
            b_.set("vocab_size", "token_embd.weight", rows);
    }

    void add_encoder() {
        b_.copy(kEncoderKeys);
        if (const std::uint64_t rows = rows_of("token_types.weight"); rows > 0)
            b_.set("type_vocab_size", "token_types.weight", rows);
        // Tables of positions are as long as they are: a converter cuts off what stands before the first token's.
        if (const std::uint64_t rows = rows_of("position_embd.weight"); rows > 0)
            b_.set("max_position_embeddings", "position_embd.weight", rows);
        b_.set("architectures", "general.architecture", json::array({architecture_.bare}));
        const std::uint64_t width = head_width();
        check_width(width);
        check_values(width);
        add_gguf_rotary(b_, width);
    }

    void add_decoder() {
        b_.copy(kDecoderKeys);
        const std::uint64_t width = head_width(), heads = b_.count("attention.head_count");
        // Without their keys these are not the defaults of a configuration's class.
        if (width > 0 && !b_.has("head_dim")) b_.set("head_dim", b_.full("embedding_length"), width);
        if (heads > 0 && !b_.has("num_key_value_heads"))
            b_.set("num_key_value_heads", b_.full("attention.head_count"), heads);
        check_values(width);
        const bool tied = !b_.model().find_in_file("output.weight");
        b_.set("tie_word_embeddings", "output.weight", tied);
        b_.set("architectures", "general.architecture", json::array({architecture_.network}));
        if (architecture_.windows > 0) add_gemma(width);
        if (architecture_.name == "gemma3" || architecture_.name == "gemma2") b_.copy(kGemmaKeys);
        add_windows();
        add_gguf_rotary(b_, width);
    }

    // Of a head; 0: not known.
    std::uint64_t head_width() {
        if (const std::uint64_t width = b_.count("attention.key_length"); width > 0) return width;
        const std::uint64_t heads = b_.count("attention.head_count");
        return heads == 0 ? 0 : b_.count("embedding_length") / heads;
    }

    // An encoder's heads share the hidden size.
    void check_width(std::uint64_t width) {
        const std::uint64_t heads = b_.count("attention.head_count"), hidden = b_.count("embedding_length");
        if (!b_.take("attention.key_length") || heads == 0 || width == hidden / heads) return;
        fail_at(b_.full("attention.key_length"), fmt::format("expected {}, found {}", hidden / heads, width));
    }

    void check_values(std::uint64_t width) {
        const GgufValue* const value = b_.take("attention.value_length");
        if (!value || gguf_count(*value, b_.full("attention.value_length")) == width) return;
        fail_at(b_.full("attention.value_length"), fmt::format("expected as many as keys have, {}, found {}", width,
                                                               gguf_count(*value, b_.full("attention.value_length"))));
    }

    void add_windows() {
        const bool mistral = architecture_.name == "llama";  // llama.cpp's name for both
        if (architecture_.windows == 0 && !mistral && architecture_.name != "phi3") return;
        const bool none = b_.count("attention.sliding_window") == 0;
        // Without the key, a gemma2 has the window of its configuration's class.
        if (none && architecture_.name != "gemma3") return;
        if (!none) {
            if (mistral) b_.set("model_type", "general.architecture", "mistral");
            b_.copy(kWindowKeys);
        }
        const std::vector<bool> flags = none ? std::vector<bool>(few_blocks()) : pattern();
        if (flags.empty()) return;
        json types = json::array();
        for (const bool windowed : flags)
            types.push_back(windowed ? "sliding_attention" : "full_attention");
        b_.set("layer_types", b_.full("attention.sliding_window_pattern"), std::move(types));
    }

    // Which blocks have the window; empty: no key says it, and the configuration's class does.
    std::vector<bool> pattern() {
        const GgufValue* const value = b_.take("attention.sliding_window_pattern");
        const std::uint64_t blocks = few_blocks();
        if (value && value->is_array && value->kind == GgufKind::kBool) {
            std::vector<bool> flags = gguf_flags(*value);
            if (flags.size() == blocks) return flags;
            fail_at(b_.full("attention.sliding_window_pattern"),
                    fmt::format("expected one for each of {} blocks, found {}", blocks, flags.size()));
        }
        if (!value && architecture_.windows == 0) return {};
        const std::uint64_t every = value ? gguf_count(*value, b_.full("attention.sliding_window_pattern"))
                                          : static_cast<std::uint64_t>(architecture_.windows);
        std::vector<bool> flags;
        for (std::uint64_t block = 0; block < blocks; block++)
            flags.push_back(every == 0 || (block + 1) % every != 0);
        return flags;
    }

    // 0: none, or so many that they are refused as a number of blocks.
    std::uint64_t few_blocks() {
        const std::uint64_t blocks = b_.count("block_count");
        return blocks > limits::kNetworkNodes ? 0 : blocks;
    }

    void add_gemma(std::uint64_t width) {
        const std::uint64_t blocks = b_.count("block_count"), heads = b_.count("attention.head_count");
        if (width == 0 || heads == 0) return;
        const bool by_width = scales_by_width(architecture_.name, blocks);
        b_.set("query_pre_attn_scalar", b_.full("attention.key_length"),
               by_width ? b_.count("embedding_length") / heads : width);
    }

    void add_causal() {
        const GgufValue* const value = b_.take("attention.causal");
        if (!value) return;
        const json causal = gguf_json(*value, b_.full("attention.causal"));
        if (!causal.is_boolean())
            fail_at(b_.full("attention.causal"), "expected true or false, found " + found(causal));
        if (causal.get<bool>() != architecture_.decoder)
            b_.set("is_decoder", b_.full("attention.causal"), causal.get<bool>());
    }

    void add_pooling() {
        const GgufValue* const value = b_.take("pooling_type");
        if (!value) return;
        // llama.cpp's enum llama_pooling_type.
        constexpr std::array kPoolings = {Pooling::kMean, Pooling::kFirst, Pooling::kLast};
        const std::uint64_t type = gguf_count(*value, b_.full("pooling_type"));
        if (type == 0) return;
        if (type > kPoolings.size()) {
            fail_at(
                b_.full("pooling_type"),
                fmt::format("expected 0 (none), 1 (mean), 2 (cls) or 3 (last), found {}{}", type,
                            type == kPoolings.size() + 1 ? " (rank): a classifier, which is not read from GGUF" : ""));
        }
        b_.config().pooling = kPoolings[type - 1];
        b_.set("architectures", "general.architecture", json::array({architecture_.bare}));
    }

    void find_unknown() {
        const std::string beginning = b_.model().architecture_name() + ".";
        for (const GgufKey& key : b_.model().header().keys) {
            if (!key.name.starts_with(beginning) || b_.is_known(key.name)) continue;
            const std::string_view own = std::string_view(key.name).substr(beginning.size());
            if (std::find(std::begin(kIndifferent), std::end(kIndifferent), own) != std::end(kIndifferent)) continue;
            // How q and k lie: as llama.cpp's own converter has them.
            if (own == "tensor_data_layout" && gguf_text(key.value) == "Meta AI original pth") continue;
            if (is_neutral(own, key)) continue;
            b_.config().unknown_keys.push_back(key.name);
        }
    }

    static bool is_neutral(std::string_view own, const GgufKey& key) {
        const auto* const neutral =
            std::find_if(std::begin(kNeutral), std::end(kNeutral), [&](const Neutral& one) { return one.gguf == own; });
        if (neutral == std::end(kNeutral) || key.value.kind == GgufKind::kString || key.value.is_array) return false;
        const json value = gguf_json(key.value, key.name);
        return value.is_number() && value.get<double>() == neutral->value;
    }

    GgufConfigBuilder b_;
    const GgufArchitecture& architecture_ = b_.architecture();
};

}  // namespace

Result<GgufConfig> gguf_config(const GgufModel& model, const std::set<std::string, std::less<>>& ignored) try {
    if (!model.architecture()) {
        const std::string& name = model.architecture_name();
        return Status(StatusCode::kUnsupported,
                      fmt::format("general.architecture: expected one of {}, found {}", gguf_architectures_text(),
                                  name.empty() ? "no such key" : internal::quote(name)));
    }
    return Reader(model, ignored).run();
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
