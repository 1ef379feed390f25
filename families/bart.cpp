// BART and Marian: an encoder, and a decoder that attends to it, with norms behind their parts. One shared table of
// tokens is the head too.
//
// transformers/models/{bart,marian}/modeling_*.py and configuration_*.py, 4.57 and 5.24.
#include <fmt/format.h>

#include <algorithm>

#include "families/encoder_block.h"
#include "families/encoder_heads.h"
#include "families/family.h"

namespace octile {
namespace {

constexpr BlockNames kBlock = {.self = {.query = "self_attn.q_proj",
                                        .key = "self_attn.k_proj",
                                        .value = "self_attn.v_proj",
                                        .out = "self_attn.out_proj",
                                        .norm = "self_attn_layer_norm"},
                               .up = "fc1",
                               .down = "fc2",
                               .norm = "final_layer_norm"};
constexpr AttentionNames kCross = {.query = "encoder_attn.q_proj",
                                   .key = "encoder_attn.k_proj",
                                   .value = "encoder_attn.v_proj",
                                   .out = "encoder_attn.out_proj",
                                   .norm = "encoder_attn_layer_norm"};

class Bart {
  public:
    explicit Bart(NetworkBuilder& builder)
        : b_(builder),
          hidden_(b_.size("d_model", b_.knows_tensors() ? 0 : 1024)),
          decoder_alone_(b_.config.architecture_has("ForCausalLM") ||
                         (b_.knows_tensors() && !b_.has(b_.base + "encoder.layers.0.fc1.weight"))) {
        facts_.names = kBlock;
        facts_.hidden = hidden_;
        facts_.activation = b_.activation_fact("activation_function", "gelu");
        if (b_.config.exists()) b_.refuse("model_type: no session runs attention to an encoder");
    }

    void build() {
        const std::string states = decoder_alone_ ? b_.values("encoder_states", std::max<std::int64_t>(hidden_, 1))
                                                  : add_half("encoder", "token_ids");
        // Of the decoder alone nobody gives the states, and torch passes its cross-attention over.
        if (!b_.config.architecture_has("ForCausalLM")) facts_.names.cross = kCross;
        facts_.causal = true;
        add_head(add_half("decoder", decoder_alone_ ? "token_ids" : "decoder_token_ids", states));
    }

  private:
    // The table of a half: its own, or the one that both share.
    std::string table_of(const std::string& half) const {
        const std::string own = b_.base + half + ".embed_tokens", shared = b_.base + "shared";
        return b_.has(own + ".weight", decoder_alone_) ? own : shared;
    }

    std::int64_t words_of(const std::string& half) const {
        if (half == "decoder" && b_.config.has("decoder_vocab_size")) return b_.config.extent("decoder_vocab_size");
        return b_.config.has("vocab_size") ? b_.config.extent("vocab_size") : 0;
    }

    std::string add_half(const std::string& half, const std::string& ids, const std::string& encoder = {}) {
        const std::string at = b_.base + half + ".", table = table_of(half);
        // The table may be shared, and each half has rows of its own.
        std::string x =
            b_.embedding(at + "embed_tokens", {{table + ".weight", b_.indices(ids), words_of(half)}}, hidden_);
        x = b_.other(at + "embed_positions", "positions", {x});
        const std::string norm = at + "layernorm_embedding";
        if (b_.has(norm + ".weight", b_.is("bart"))) x = b_.layer_norm(norm, x, facts_.epsilon);
        const std::string key = half + "_";
        facts_.ffn = b_.size((key + "ffn_dim").c_str(), b_.knows_tensors() ? 0 : 4096);
        facts_.heads = b_.config.exists() ? b_.size((key + "attention_heads").c_str(), 16) : 0;
        const std::int64_t count = b_.blocks((key + "layers").c_str(), at + "layers.", 12);
        for (std::int64_t block = 0; block < count; block++)
            x = add_block(b_, facts_, fmt::format("{}layers.{}.", at, block), x, encoder);
        return x;
    }

    void add_head(const std::string& x) {
        const Config& config = b_.config;
        if (config.architecture_has("ForSequenceClassification") || b_.has("classification_head.out_proj.weight"))
            return add_classification_head(b_, x, hidden_);
        if (config.architecture_has("ForQuestionAnswering") || b_.has("qa_outputs.weight"))
            return b_.output(b_.linear("qa_outputs", x, {.features = 2}));
        const bool language = config.architecture_has("ForConditionalGeneration") ||
                              config.architecture_has("MTModel") || config.architecture_has("ForCausalLM");
        if (language || (!config.exists() && b_.has("final_logits_bias"))) {
            const bool own = b_.has("lm_head.weight", !config.flag_or("tie_word_embeddings", true));
            return b_.output(b_.linear("lm_head", x,
                                       {.features = words_of("decoder"),
                                        .bias = false,
                                        .weight = own ? "" : table_of("decoder") + ".weight"}));
        }
        b_.refuse_unless_bare();
        b_.output(x);
    }

    NetworkBuilder& b_;
    std::int64_t hidden_;
    bool decoder_alone_;
    BlockFacts facts_;
};

void build(NetworkBuilder& builder) {
    Bart(builder).build();
}

}  // namespace

const Families& bart_families() {
    static const Words honoured = {
        "vocab_size",          "max_position_embeddings", "d_model",
        "encoder_layers",      "encoder_ffn_dim",         "encoder_attention_heads",
        "decoder_layers",      "decoder_ffn_dim",         "decoder_attention_heads",
        "activation_function", "scale_embedding",         "decoder_vocab_size",
        "num_hidden_layers",   "is_encoder_decoder",      "share_encoder_decoder_embeddings"};
    // What transformers 3 read; from 4 on each model type has one form.
    static const Words indifferent = {"add_bias_logits",
                                      "add_final_layer_norm",
                                      "normalize_before",
                                      "normalize_embedding",
                                      "classif_dropout",
                                      "extra_pos_embeddings",
                                      "force_bos_token_to_be_generated",
                                      "static_position_embeddings"};
    static const Words block = {
        "decoder.layers.*.encoder_attn.q_proj.weight", "decoder.layers.*.encoder_attn_layer_norm.weight",
        "decoder.layers.*.self_attn_layer_norm.weight", "decoder.layers.*.self_attn.k_proj.bias"};
    static const Families families = {
        {.model_types = {"bart"},
         .signatures = {{"bart", block + Words{"decoder.layernorm_embedding.weight"}, {"decoder.layer_norm.weight"}}},
         .prefixes = {"model.", ""},
         .honoured = honoured,
         .indifferent = indifferent,
         .build = build},
        {.model_types = {"marian"},
         .signatures = {{"marian", block, {"decoder.layernorm_embedding.weight", "decoder.layer_norm.weight"}}},
         .prefixes = {"model.", ""},
         .honoured = honoured,
         .indifferent = indifferent,
         .build = build}};
    return families;
}

}  // namespace octile
