#include "inputs/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "inputs/config_values.h"
#include "inputs/json_document.h"
#include "inputs/layer_rules.h"
#include "inputs/messages.h"

namespace octile {
namespace {

using nlohmann::json;

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
    const LlamaSizes sizes = llama_sizes(config);
    const std::int64_t hidden = sizes.hidden, queries = sizes.heads * sizes.head, keys = sizes.key_heads * sizes.head,
                       m = config.tokens();
    out.set_epsilon(config.epsilon("rms_norm_eps"));
    out.block("model.layers.*.", m, sizes.blocks);
    out.norm("input_layernorm", hidden, false);
    const std::vector<std::string> qkv = out.side_by_side(hidden, {{"self_attn.q_proj", queries, sizes.qkv_bias},
                                                                   {"self_attn.k_proj", keys, sizes.qkv_bias},
                                                                   {"self_attn.v_proj", keys, sizes.qkv_bias}});
    out.linear("self_attn.o_proj", queries, hidden, sizes.out_bias, Activation::kNone, qkv);
    out.norm("post_attention_layernorm", hidden, false);
    const std::vector<std::string> gate_up = out.side_by_side(
        hidden,
        {{"mlp.gate_proj", sizes.ffn, sizes.ffn_bias, sizes.activation}, {"mlp.up_proj", sizes.ffn, sizes.ffn_bias}});
    out.linear("mlp.down_proj", sizes.ffn, hidden, sizes.ffn_bias, Activation::kNone, gate_up);
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
