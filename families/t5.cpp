// T5, which Flan-T5 is too: RMS norms before their parts, relative positions in the first block of each half, and
// queries that no factor divides.
//
// transformers/models/t5/modeling_t5.py and configuration_t5.py, 4.57 and 5.24.
#include <fmt/format.h>

#include "base/json_document.h"
#include "families/encoder_block.h"
#include "families/encoder_heads.h"
#include "families/family.h"

namespace octile {
namespace {

constexpr AttentionNames kSelf = {.query = "layer.0.SelfAttention.q",
                                  .key = "layer.0.SelfAttention.k",
                                  .value = "layer.0.SelfAttention.v",
                                  .out = "layer.0.SelfAttention.o",
                                  .norm = "layer.0.layer_norm"};
constexpr AttentionNames kCross = {.query = "layer.1.EncDecAttention.q",
                                   .key = "layer.1.EncDecAttention.k",
                                   .value = "layer.1.EncDecAttention.v",
                                   .out = "layer.1.EncDecAttention.o",
                                   .norm = "layer.1.layer_norm"};

class T5 {
  public:
    explicit T5(NetworkBuilder& builder)
        : b_(builder),
          hidden_(b_.size("d_model", b_.knows_tensors() ? 0 : 512)),
          gated_(b_.has(b_.base + "encoder.block.0.layer.1.DenseReluDense.wi_0.weight",
                        b_.config.word_or("feed_forward_proj", "relu").starts_with("gated-"))) {
        facts_.norm_first = facts_.rms = true;
        facts_.qkv_bias = facts_.out_bias = facts_.ffn_bias = false;
        facts_.hidden = hidden_;
        facts_.ffn = b_.size("d_ff", b_.knows_tensors() ? 0 : 2048);
        facts_.epsilon = b_.epsilon("layer_norm_epsilon", 1e-6);
        facts_.why = "attention with relative positions";
        if (b_.config.exists()) {
            facts_.heads = b_.size("num_heads", 8);
            const std::int64_t head = b_.size("d_kv", 64);
            if (facts_.heads > kMaxExtent / head)
                fail_at("num_heads", fmt::format("expected heads of together at most {}, found more", kMaxExtent));
            facts_.projected = facts_.heads * head;
            b_.refuse("model_type: no session runs attention with relative positions");
        }
        facts_.activation = activation();
    }

    void build() {
        const Config& config = b_.config;
        const std::string states = add_half("encoder", "num_layers", "token_ids");
        if (config.architecture_has("ForTokenClassification"))
            return b_.output(b_.linear("classifier", states, {.features = config.labels()}));
        const bool encoder = config.architecture_has("EncoderModel") || b_.options.sentence_embedding ||
                             (b_.knows_tensors() && !b_.has(b_.base + "decoder.block.0.layer.0.layer_norm.weight"));
        if (encoder) return b_.output(states);
        const char* key = config.has("num_decoder_layers") ? "num_decoder_layers" : "num_layers";
        add_head(add_half("decoder", key, "decoder_token_ids", states));
    }

  private:
    // "gated-gelu" is the one with tanh.
    ActivationFact activation() const {
        const std::string part = b_.config.word_or("feed_forward_proj", gated_ ? "gated-gelu" : "relu");
        const std::string word = part == "gated-gelu" ? "gelu_new" : part.substr(gated_ ? part.find('-') + 1 : 0);
        return {activation_called(word), word, !b_.config.exists()};
    }

    std::string table_of(const std::string& half) const {
        const std::string shared = b_.base + "shared", own = b_.base + half + ".embed_tokens";
        return b_.has(shared + ".weight", true) || !b_.has(own + ".weight") ? shared : own;
    }

    std::int64_t words() const { return b_.config.has("vocab_size") ? b_.config.extent("vocab_size") : 0; }

    std::string add_half(const std::string& half, const char* key, const std::string& ids,
                         const std::string& encoder = {}) {
        const std::string at = b_.base + half + ".";
        std::string x =
            b_.embedding(at + "embed_tokens", {{table_of(half) + ".weight", b_.indices(ids), words()}}, hidden_);
        facts_.causal = !encoder.empty();
        facts_.names = {.self = kSelf};
        if (!encoder.empty()) facts_.names.cross = kCross;
        const bool second = encoder.empty();
        facts_.names.gate = !gated_ ? nullptr : second ? "layer.1.DenseReluDense.wi_0" : "layer.2.DenseReluDense.wi_0";
        facts_.names.up = gated_ ? (second ? "layer.1.DenseReluDense.wi_1" : "layer.2.DenseReluDense.wi_1")
                                 : (second ? "layer.1.DenseReluDense.wi" : "layer.2.DenseReluDense.wi");
        facts_.names.down = second ? "layer.1.DenseReluDense.wo" : "layer.2.DenseReluDense.wo";
        facts_.names.norm = second ? "layer.1.layer_norm" : "layer.2.layer_norm";
        const std::int64_t count = b_.blocks(key, at + "block.", 6);
        for (std::int64_t block = 0; block < count; block++)
            x = add_block(b_, facts_, fmt::format("{}block.{}.", at, block), x, encoder);
        const std::string norm = at + "final_layer_norm";
        return b_.has(norm + ".weight", true) ? b_.rms_norm(norm, x, facts_.epsilon) : x;
    }

    void add_head(const std::string& x) {
        const Config& config = b_.config;
        if (config.architecture_has("ForSequenceClassification")) return add_classification_head(b_, x, hidden_);
        if (config.architecture_has("ForQuestionAnswering"))
            return b_.output(b_.linear("qa_outputs", x, {.features = 2}));
        if (config.architecture_has("ForConditionalGeneration") || (!config.exists() && b_.has("lm_head.weight"))) {
            const bool tied = config.flag_or("tie_word_embeddings", true), own = b_.has("lm_head.weight", !tied);
            // 5.x keeps what 4.x took tie_word_embeddings for.
            const bool scaled = config.exists() ? config.flag_or("scale_decoder_outputs", tied) : !own;
            const std::string y =
                scaled ? b_.other("decoder.scaled", "a quotient by the square root of the width", {x}) : x;
            return b_.output(
                b_.linear("lm_head", y,
                          {.features = words(), .bias = false, .weight = own ? "" : table_of("decoder") + ".weight"}));
        }
        b_.refuse_unless_bare();
        b_.output(x);
    }

    NetworkBuilder& b_;
    std::int64_t hidden_;
    bool gated_;
    BlockFacts facts_;
};

void build(NetworkBuilder& builder) {
    T5(builder).build();
}

}  // namespace

const Families& t5_families() {
    static const Families families = {
        {.model_types = {"t5"},
         .signatures = {{"t5",
                         {"encoder.block.*.layer.0.SelfAttention.q.weight", "encoder.block.*.layer.0.layer_norm.weight",
                          "encoder.block.*.layer.1.DenseReluDense.wo.weight"}}},
         .prefixes = {"", "transformer."},
         .honoured = {"vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_decoder_layers", "num_heads",
                      "relative_attention_num_buckets", "relative_attention_max_distance", "layer_norm_epsilon",
                      "feed_forward_proj", "dense_act_fn", "is_gated_act", "scale_decoder_outputs"},
         // There are no positions beside the relative ones.
         .indifferent = {"n_positions"},
         .build = build}};
    return families;
}

}  // namespace octile
