// ModernBERT.
//
// transformers/models/modernbert/modeling_modernbert.py and configuration_modernbert.py, 4.57 and 5.24.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/json_document.h"
#include "base/printable.h"
#include "families/encoder_block.h"
#include "families/encoder_heads.h"
#include "families/family.h"

namespace octile {
namespace {

using nlohmann::json;

constexpr BlockNames kBlock = {.self = {.fused = "attn.Wqkv", .out = "attn.Wo", .norm = "attn_norm"},
                               .up = "mlp.Wi",
                               .gate_in_up = true,
                               .down = "mlp.Wo",
                               .norm = "mlp_norm"};

// Layers that see everything, and those that see tokens up to half of local_attention away; each kind turns by its own
// angles.
struct Layers {
    double global_theta = 160000, local_theta = 10000;
    std::int64_t window = 64;
    std::int64_t interval = 3;  // without layer_types: every so many layers see everything

    bool is_local(const Config& config, std::int64_t block) const {
        if (!config.has("layer_types")) return block % interval != 0;
        return config.at("layer_types")[static_cast<std::size_t>(block)] == "sliding_attention";
    }
};

void check_layer_types(NetworkBuilder& b) {
    if (!b.config.has("layer_types")) return;
    const json& types = b.config.at("layer_types");
    const auto count = static_cast<std::size_t>(b.blocks("num_hidden_layers", b.base + "layers."));
    const bool fits = types.is_array() && types.size() >= count &&
                      std::all_of(types.begin(), types.end(),
                                  [](auto& type) { return type == "full_attention" || type == "sliding_attention"; });
    if (!fits) fail_at("layer_types", "expected full_attention or sliding_attention for each layer, found another");
}

// rope_parameters of transformers 5: one kind's.
double theta_of(NetworkBuilder& b, const char* kind, double otherwise) {
    const Config parameters = b.config.object("rope_parameters").object(kind);
    const std::string type = parameters.word_or("rope_type", "default");
    if (type != "default")
        b.refuse(fmt::format("rope_parameters.{}.rope_type: expected default, found {}", kind, internal::quote(type)));
    const double theta = parameters.number_or("rope_theta", otherwise);
    if (!(theta > 1))
        b.refuse(fmt::format("rope_parameters.{}.rope_theta: expected a number > 1, found {}", kind, theta));
    return theta > 1 ? theta : otherwise;
}

Layers layers_of(NetworkBuilder& b) {
    check_layer_types(b);
    Layers layers;
    layers.global_theta = theta_of(b, "full_attention", b.config.number_or("global_rope_theta", layers.global_theta));
    // null: as the other layers.
    const bool same = b.config.lists("local_rope_theta") && !b.config.has("local_rope_theta");
    layers.local_theta =
        theta_of(b, "sliding_attention",
                 same ? layers.global_theta : b.config.number_or("local_rope_theta", layers.local_theta));
    layers.window = b.config.count_or("local_attention", 128) / 2;
    layers.interval = b.config.extent_or("global_attn_every_n_layers", layers.interval);
    return layers;
}

void build(NetworkBuilder& b) {
    BlockFacts facts;
    facts.names = kBlock;
    facts.norm_first = true;
    facts.norm_bias = b.config.flag_or("norm_bias", false);
    facts.qkv_bias = facts.out_bias = b.config.flag_or("attention_bias", false);
    facts.ffn_bias = b.config.flag_or("mlp_bias", false);
    facts.hidden = b.size("hidden_size");
    facts.ffn = b.size("intermediate_size");
    facts.epsilon = b.epsilon("norm_eps", 1e-5);
    facts.activation = b.activation_fact("hidden_activation", "gelu");
    facts.heads = b.config.exists() ? b.size("num_attention_heads", 12) : 0;
    facts.cut = true;
    const Layers layers = layers_of(b);
    if (!b.config.exists()) facts.why = "attention of an unknown number of heads";
    const std::string table = b.base + "embeddings.tok_embeddings.weight";
    const std::int64_t vocabulary = b.config.has("vocab_size") ? b.config.extent("vocab_size") : 0;
    std::string x = b.embedding(b.base + "embeddings", {{table, b.indices("token_ids"), vocabulary}}, facts.hidden);
    x = b.layer_norm(b.base + "embeddings.norm", x, facts.epsilon, facts.norm_bias);
    const std::string blocks = b.base + "layers.";
    const std::int64_t count = b.blocks("num_hidden_layers", blocks);
    for (std::int64_t block = 0; block < count; block++) {
        // The first reads the embeddings' norm.
        facts.names.self.norm = block == 0 ? nullptr : kBlock.self.norm;
        const bool local = layers.is_local(b.config, block);
        facts.rotary = Rotary{local ? layers.local_theta : layers.global_theta};
        facts.window = local ? std::optional(layers.window) : std::nullopt;
        x = add_block(b, facts, fmt::format("{}{}.", blocks, block), x);
    }
    x = b.layer_norm(b.base + "final_norm", x, facts.epsilon, facts.norm_bias);

    const EncoderHead head = encoder_head(b);
    if (head == EncoderHead::kNone) return add_embedding(b, x);
    const bool one = head == EncoderHead::kSequence || head == EncoderHead::kMultipleChoice;
    const bool mean = b.config.word_or("classifier_pooling", "cls") == "mean";
    if (one) x = b.pool("head.pooled", x, mean ? Pooling::kMean : Pooling::kFirst);
    const std::string dense =
        b.linear("head.dense", x, {.features = facts.hidden, .bias = b.config.flag_or("classifier_bias", false)});
    const std::string y = b.layer_norm(
        "head.norm", b.activation("head.activation", dense, b.activation_fact("classifier_activation", "gelu")),
        facts.epsilon, facts.norm_bias);
    if (head == EncoderHead::kMaskedLanguage) {
        const bool own = b.has("decoder.weight", !b.config.flag_or("tie_word_embeddings", true));
        return b.output(b.linear("decoder", y,
                                 {.features = b.size("vocab_size"),
                                  .bias = b.config.flag_or("decoder_bias", true),
                                  .weight = own ? "" : table}));
    }
    const std::int64_t labels = head == EncoderHead::kMultipleChoice ? 1 : b.config.labels();
    b.output(b.linear("classifier", y, {.features = labels}));
}

}  // namespace

const Families& modernbert_families() {
    static const Families families = {
        {.model_types = {"modernbert"},
         .signatures = {{"modernbert",
                         {"layers.*.attn.Wqkv.weight", "layers.*.mlp.Wi.weight", "layers.*.mlp_norm.weight"}}},
         .prefixes = {"", "model."},
         .honoured = {"vocab_size",
                      "hidden_size",
                      "intermediate_size",
                      "num_hidden_layers",
                      "num_attention_heads",
                      "hidden_activation",
                      "max_position_embeddings",
                      "norm_eps",
                      "norm_bias",
                      "attention_bias",
                      "layer_types",
                      "rope_parameters",
                      "local_attention",
                      "mlp_bias",
                      "decoder_bias",
                      "classifier_pooling",
                      "classifier_bias",
                      "classifier_activation",
                      "global_rope_theta",
                      "local_rope_theta",
                      "global_attn_every_n_layers"},
         .indifferent = {"deterministic_flash_attn", "sparse_prediction", "sparse_pred_ignore_index",
                         "reference_compile", "repad_logits_with_grad", "position_embedding_type", "layer_norm_eps"},
         .build = build}};
    return families;
}

}  // namespace octile
