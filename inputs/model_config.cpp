#include "inputs/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "inputs/json_document.h"
#include "inputs/layer_rules.h"
#include "inputs/messages.h"

namespace octile {
namespace {

using nlohmann::json;

// Thrown where --tokens is needed and was not given.
struct NeedsTokens {};

class Config {
  public:
    Config(const json& document, std::optional<std::int64_t> tokens) : document_(document), tokens_(tokens) {}

    bool has(const char* key) const { return document_.contains(key) && !document_[key].is_null(); }

    // An extent: 1 to 2^31 - 1.
    std::int64_t extent(const char* key) const {
        if (!has(key)) fail_at(key, "expected an integer, found no such key");
        const json& value = document_[key];
        if (value.is_number_unsigned() && value.get<std::uint64_t>() >= 1 &&
            value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMaxExtent)) {
            return static_cast<std::int64_t>(value.get<std::uint64_t>());
        }
        fail_at(key, wrong_extent("m", found(value)));
    }
    std::int64_t extent_or(const char* key, std::int64_t otherwise) const { return has(key) ? extent(key) : otherwise; }

    // The epsilon of the network's norms; empty where the configuration does not say it.
    std::optional<double> epsilon(const char* key) const {
        if (!has(key)) return std::nullopt;
        const json& value = document_[key];
        if (!value.is_number() || !is_positive(value.get<double>())) fail_at(key, wrong_number(found(value)));
        return value.get<double>();
    }

    bool flag_or(const char* key, bool otherwise) const {
        if (!has(key)) return otherwise;
        if (!document_[key].is_boolean()) fail_at(key, "expected true or false, found " + found(document_[key]));
        return document_[key].get<bool>();
    }

    std::string word_or(const char* key, const char* otherwise) const {
        return has(key) ? string_at(document_[key], key) : otherwise;
    }

    // The activation that transformers calls so. Those that Octile has no name for are none: they run by themselves.
    Activation activation(const char* key, const char* otherwise) const {
        const std::string name = word_or(key, otherwise);
        if (name == "relu") return Activation::kRelu;
        if (name == "silu" || name == "swish") return Activation::kSilu;
        if (name == "relu6") return Activation::kRelu6;
        if (name == "hardswish") return Activation::kHardswish;
        if (name == "gelu" || name == "gelu_python") return Activation::kGelu;
        if (name == "gelu_new" || name == "gelu_fast" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
        if (name == "quick_gelu") return Activation::kQuickGelu;
        return Activation::kNone;
    }

    // Whether an architecture's name has `part` in it. Without "architectures", the network is the bare one.
    bool architecture_has(std::string_view part) const {
        if (!has("architectures")) return false;
        const json& list = document_["architectures"];
        if (!list.is_array()) fail_at("architectures", "expected an array of names, found " + found(list));
        return std::any_of(list.begin(), list.end(), [&](const json& name) {
            return string_at(name, "architectures").find(part) != std::string::npos;
        });
    }

    // Classes of a classifier: num_labels, or as many as id2label has; transformers' default is 2.
    std::int64_t labels() const {
        if (has("num_labels")) return extent("num_labels");
        if (!has("id2label")) return 2;
        const json& names = document_["id2label"];
        if (!names.is_object() || names.empty()) {
            fail_at("id2label", "expected an object of labels, found " + found(names));
        }
        return static_cast<std::int64_t>(names.size());
    }

    std::int64_t tokens() const {
        if (!tokens_) throw NeedsTokens{};
        return *tokens_;
    }
    std::int64_t tokens_or(std::int64_t otherwise) const { return tokens_.value_or(otherwise); }

  private:
    const json& document_;
    std::optional<std::int64_t> tokens_;
};

// Collects layers; `prefix`, `m` and `count` are those of the block that is being listed.
class Blocks {
  public:
    // Of all norms that are listed from here on.
    void set_epsilon(std::optional<double> epsilon) { epsilon_ = epsilon; }

    void block(std::string prefix, std::int64_t m, std::int64_t count) {
        prefix_ = std::move(prefix);
        m_ = m;
        count_ = count;
    }

    void norm(const std::string& name, std::int64_t n, bool bias, std::vector<std::string> inputs = {}) {
        add({.name = prefix_ + name,
             .op = Op::kLayerNorm,
             .m = m_,
             .k = n,
             .n = n,
             .count = count_,
             .activation = Activation::kNone,
             .bias = bias,
             .epsilon = epsilon_,
             .inputs = std::move(inputs)});
    }

    void linear(const std::string& name, std::int64_t k, std::int64_t n, bool bias,
                Activation activation = Activation::kNone, std::vector<std::string> inputs = {}) {
        add({.name = prefix_ + name,
             .op = Op::kLinear,
             .m = m_,
             .k = k,
             .n = n,
             .count = count_,
             .activation = activation,
             .bias = bias,
             .inputs = std::move(inputs)});
    }

    struct Projection {
        std::string name;
        std::int64_t n;
        bool bias;
        Activation activation = Activation::kNone;
    };

    // Linears that read what the first of them reads: the layer before it, and say so.
    std::vector<std::string> side_by_side(std::int64_t k, const std::vector<Projection>& projections) {
        const std::string source = layers_.empty() ? std::string() : layers_.back().name;
        std::vector<std::string> names;
        for (const Projection& projection : projections) {
            std::vector<std::string> inputs;
            if (!names.empty() && !source.empty()) inputs.push_back(source);
            linear(projection.name, k, projection.n, projection.bias, projection.activation, std::move(inputs));
            names.push_back(prefix_ + projection.name);
        }
        return names;
    }

    std::vector<Layer> take() { return std::move(layers_); }

  private:
    void add(Layer layer) {
        if (const auto error = check_layer(layer)) {
            fail_at("layer " + internal::quote(layer.name), error->field + ": " + error->text);
        }
        layers_.push_back(std::move(layer));
    }

    std::optional<double> epsilon_;
    std::string prefix_;
    std::int64_t m_ = 1;
    std::int64_t count_ = 1;
    std::vector<Layer> layers_;
};

void list_bert(const Config& config, Blocks& out) {
    const std::int64_t hidden = config.extent("hidden_size"), ffn = config.extent("intermediate_size"),
                       blocks = config.extent("num_hidden_layers"), m = config.tokens();
    const Activation activation = config.activation("hidden_act", "gelu");
    out.set_epsilon(config.epsilon("layer_norm_eps"));
    out.block("embeddings.", m, 1);
    out.norm("LayerNorm", hidden, true);
    out.block("encoder.layer.*.", m, blocks);
    const std::vector<std::string> qkv = out.side_by_side(hidden, {{"attention.self.query", hidden, true},
                                                                   {"attention.self.key", hidden, true},
                                                                   {"attention.self.value", hidden, true}});
    out.linear("attention.output.dense", hidden, hidden, true, Activation::kNone, qkv);
    out.norm("attention.output.LayerNorm", hidden, true);
    out.linear("intermediate.dense", hidden, ffn, true, activation);
    out.linear("output.dense", ffn, hidden, true);
    out.norm("output.LayerNorm", hidden, true);
    const bool roberta = config.word_or("model_type", "bert") != "bert";
    if (config.architecture_has("ForMaskedLM") || config.architecture_has("ForPreTraining")) {
        out.block(roberta ? "lm_head." : "cls.predictions.", m, 1);
        out.linear(roberta ? "dense" : "transform.dense", hidden, hidden, true,
                   roberta ? Activation::kGelu : activation);
        out.norm(roberta ? "layer_norm" : "transform.LayerNorm", hidden, true);
        out.linear("decoder", hidden, config.extent("vocab_size"), true);
    } else if (config.architecture_has("ForTokenClassification") || config.architecture_has("ForQuestionAnswering")) {
        out.block("", m, 1);
        out.linear(config.architecture_has("ForQuestionAnswering") ? "qa_outputs" : "classifier", hidden,
                   config.architecture_has("ForQuestionAnswering") ? 2 : config.labels(), true);
    } else {
        const bool classifies = config.architecture_has("ForSequenceClassification");
        out.block("", 1, 1);  // one row: the first token
        out.linear(classifies && roberta ? "classifier.dense" : "pooler.dense", hidden, hidden, true);
        if (classifies) out.linear(roberta ? "classifier.out_proj" : "classifier", hidden, config.labels(), true);
    }
}

void list_vit(const Config& config, Blocks& out) {
    const std::int64_t hidden = config.extent("hidden_size"), ffn = config.extent("intermediate_size"),
                       blocks = config.extent("num_hidden_layers"), image = config.extent_or("image_size", 224),
                       patch = config.extent_or("patch_size", 16), channels = config.extent_or("num_channels", 3);
    const bool distilled = config.word_or("model_type", "vit") == "deit";  // has a second class token
    const std::int64_t side = image / patch;
    if (side < 1 || side > 46340 || patch > 46340) {
        fail_at("patch_size", fmt::format("expected 1 to image_size ({}), found {}", image, patch));
    }
    const std::int64_t m = config.tokens_or(side * side + (distilled ? 2 : 1));
    const bool qkv_bias = config.flag_or("qkv_bias", true);
    out.set_epsilon(config.epsilon("layer_norm_eps"));
    // A convolution whose stride is its size: a linear over the values of each patch.
    out.block("embeddings.patch_embeddings.", config.tokens_or(side * side), 1);
    if (channels > kMaxReduction / (patch * patch)) {
        fail_at("num_channels", fmt::format("expected patches of at most {} values, found more", kMaxReduction));
    }
    out.linear("projection", patch * patch * channels, hidden, true);
    out.block("encoder.layer.*.", m, blocks);
    out.norm("layernorm_before", hidden, true);
    const std::vector<std::string> qkv = out.side_by_side(hidden, {{"attention.attention.query", hidden, qkv_bias},
                                                                   {"attention.attention.key", hidden, qkv_bias},
                                                                   {"attention.attention.value", hidden, qkv_bias}});
    out.linear("attention.output.dense", hidden, hidden, true, Activation::kNone, qkv);
    out.norm("layernorm_after", hidden, true);
    out.linear("intermediate.dense", hidden, ffn, true, config.activation("hidden_act", "gelu"));
    out.linear("output.dense", ffn, hidden, true);
    out.block("", m, 1);
    out.norm("layernorm", hidden, true);
    out.block("", 1, 1);
    if (config.architecture_has("ForImageClassification")) {
        out.linear("classifier", hidden, config.labels(), true);
    } else {
        out.linear("pooler.dense", hidden, hidden, true);
    }
}

// llama, mistral, qwen2, qwen3.
void list_llama(const Config& config, Blocks& out) {
    const std::string type = config.word_or("model_type", "llama");
    const std::int64_t hidden = config.extent("hidden_size"), ffn = config.extent("intermediate_size"),
                       blocks = config.extent("num_hidden_layers"), heads = config.extent("num_attention_heads"),
                       key_heads = config.extent_or("num_key_value_heads", heads), m = config.tokens();
    const std::int64_t head =
        config.extent_or("head_dim", type == "qwen3" ? 128 : std::max<std::int64_t>(hidden / heads, 1));
    for (const auto& [key, count] : {std::pair("num_attention_heads", heads), {"num_key_value_heads", key_heads}}) {
        if (count > kMaxExtent / head)
            fail_at(key, fmt::format("expected heads of together at most {}, found more", kMaxExtent));
    }
    const bool bias = config.flag_or("attention_bias", false), qkv_bias = type == "qwen2" || bias;
    const bool ffn_bias = config.flag_or("mlp_bias", false);
    out.set_epsilon(config.epsilon("rms_norm_eps"));
    out.block("model.layers.*.", m, blocks);
    out.norm("input_layernorm", hidden, false);
    const std::vector<std::string> qkv = out.side_by_side(hidden, {{"self_attn.q_proj", heads * head, qkv_bias},
                                                                   {"self_attn.k_proj", key_heads * head, qkv_bias},
                                                                   {"self_attn.v_proj", key_heads * head, qkv_bias}});
    out.linear("self_attn.o_proj", heads * head, hidden, bias, Activation::kNone, qkv);
    out.norm("post_attention_layernorm", hidden, false);
    const std::vector<std::string> gate_up = out.side_by_side(
        hidden,
        {{"mlp.gate_proj", ffn, ffn_bias, config.activation("hidden_act", "silu")}, {"mlp.up_proj", ffn, ffn_bias}});
    out.linear("mlp.down_proj", ffn, hidden, ffn_bias, Activation::kNone, gate_up);
    out.block("", m, 1);
    out.norm("model.norm", hidden, false);
    if (config.architecture_has("ForCausalLM")) {
        out.linear("lm_head", hidden, config.extent("vocab_size"), false);
    } else if (config.architecture_has("ForSequenceClassification")) {
        out.linear("score", hidden, config.labels(), false);
    }
}

struct WhisperSizes {
    std::int64_t hidden, ffn;
    Activation activation;
};

std::vector<std::string> list_whisper_attention(Blocks& out, const std::string& name, const WhisperSizes& sizes) {
    return out.side_by_side(sizes.hidden, {{name + ".q_proj", sizes.hidden, true},
                                           {name + ".k_proj", sizes.hidden, false},
                                           {name + ".v_proj", sizes.hidden, true}});
}

void list_whisper_ffn(Blocks& out, const WhisperSizes& sizes) {
    out.norm("final_layer_norm", sizes.hidden, true);
    out.linear("fc1", sizes.hidden, sizes.ffn, true, sizes.activation);
    out.linear("fc2", sizes.ffn, sizes.hidden, true);
}

void list_whisper(const Config& config, Blocks& out) {
    const std::int64_t hidden = config.extent("d_model"), source = config.extent_or("max_source_positions", 1500),
                       encoder_blocks = config.extent("encoder_layers"),
                       decoder_blocks = config.extent("decoder_layers"), m = config.tokens();
    const Activation activation = config.activation("activation_function", "gelu");
    const WhisperSizes encoder = {hidden, config.extent("encoder_ffn_dim"), activation};
    const WhisperSizes decoder = {hidden, config.extent("decoder_ffn_dim"), activation};
    out.block("model.encoder.layers.*.", source, encoder_blocks);
    out.norm("self_attn_layer_norm", hidden, true);
    std::vector<std::string> qkv = list_whisper_attention(out, "self_attn", encoder);
    out.linear("self_attn.out_proj", hidden, hidden, true, Activation::kNone, qkv);
    list_whisper_ffn(out, encoder);
    out.block("model.encoder.", source, 1);
    out.norm("layer_norm", hidden, true);
    // Keys and values of cross-attention: once per audio, from the encoder's output.
    out.block("model.decoder.layers.*.", source, decoder_blocks);
    std::vector<std::string> cross =
        out.side_by_side(hidden, {{"encoder_attn.k_proj", hidden, false}, {"encoder_attn.v_proj", hidden, true}});
    out.block("model.decoder.layers.*.", m, decoder_blocks);
    out.norm("self_attn_layer_norm", hidden, true);
    qkv = list_whisper_attention(out, "self_attn", decoder);
    out.linear("self_attn.out_proj", hidden, hidden, true, Activation::kNone, qkv);
    out.norm("encoder_attn_layer_norm", hidden, true);
    out.linear("encoder_attn.q_proj", hidden, hidden, true);
    cross.insert(cross.begin(), "model.decoder.layers.*.encoder_attn.q_proj");
    out.linear("encoder_attn.out_proj", hidden, hidden, true, Activation::kNone, cross);
    list_whisper_ffn(out, decoder);
    out.block("", m, 1);
    out.norm("model.decoder.layer_norm", hidden, true);
    if (!config.has("architectures") || config.architecture_has("ForConditionalGeneration")) {
        out.linear("proj_out", hidden, config.extent("vocab_size"), false);
    }
}

struct Family {
    std::string_view model_type;
    void (*list)(const Config&, Blocks&);
};

constexpr std::array<Family, 11> kFamilies = {{{"bert", list_bert},
                                               {"roberta", list_bert},
                                               {"xlm-roberta", list_bert},
                                               {"camembert", list_bert},
                                               {"vit", list_vit},
                                               {"deit", list_vit},
                                               {"llama", list_llama},
                                               {"mistral", list_llama},
                                               {"qwen2", list_llama},
                                               {"qwen3", list_llama},
                                               {"whisper", list_whisper}}};

std::string name_of_model(const std::filesystem::path& path) {
    if (path.stem() != "config") return display(path.stem());
    const std::filesystem::path folder = path.parent_path().filename();
    return folder.empty() || !internal::is_printable(folder.native()) ? "config" : folder.native();
}

Model model_of(const json& document, const std::filesystem::path& path, std::optional<std::int64_t> tokens) {
    if (!document.is_object()) fail_at("$", "expected an object, found " + found(document));
    if (!document.contains("model_type")) fail_at("model_type", "expected a string, found no such key");
    const std::string& type = string_at(document["model_type"], "model_type");
    const auto* const family =
        std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& known) { return known.model_type == type; });
    if (family == kFamilies.end()) {
        std::string known;
        for (const Family& one : kFamilies)
            known += fmt::format("{}{}", known.empty() ? "" : ", ", one.model_type);
        fail_at("model_type", fmt::format("expected one of {}, found {}", known, internal::quote(type)));
    }
    Blocks blocks;
    family->list(Config(document, tokens), blocks);
    return Model{name_of_model(path), blocks.take()};
}

}  // namespace

Result<Model> read_model_config(std::string_view text, const std::filesystem::path& path,
                                std::optional<std::int64_t> tokens) {
    Model model;
    try {
        Status status =
            read_json(text, display(path), [&](const json& document) { model = model_of(document, path, tokens); });
        if (!status.ok()) return status;
    } catch (const NeedsTokens&) {
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("{}: expected --tokens N: the network does not say how many rows its layers are "
                                  "applied to",
                                  display(path)));
    }
    return model;
}

}  // namespace octile
