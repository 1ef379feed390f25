// BERT and what has its blocks: RoBERTa, XLM-RoBERTa, CamemBERT.
//
// transformers/models/{bert,roberta,xlm_roberta,camembert}/modeling_*.py and configuration_*.py, 4.57 and 5.24.
#include <fmt/format.h>

#include "base/printable.h"
#include "families/encoder_block.h"
#include "families/encoder_heads.h"
#include "families/family.h"

namespace octile {
namespace {

using internal::quote;

constexpr BlockNames kBlock = {.self = {.query = "attention.self.query",
                                        .key = "attention.self.key",
                                        .value = "attention.self.value",
                                        .out = "attention.output.dense",
                                        .norm = "attention.output.LayerNorm"},
                               .cross = {.query = "crossattention.self.query",
                                         .key = "crossattention.self.key",
                                         .value = "crossattention.self.value",
                                         .out = "crossattention.output.dense",
                                         .norm = "crossattention.output.LayerNorm"},
                               .up = "intermediate.dense",
                               .down = "output.dense",
                               .norm = "output.LayerNorm"};

class Bert {
  public:
    explicit Bert(NetworkBuilder& builder)
        : b_(builder),
          hidden_(b_.size("hidden_size")),
          ffn_(b_.size("intermediate_size")),
          heads_(b_.config.exists() ? b_.size("num_attention_heads", 12) : 0),
          epsilon_(b_.epsilon("layer_norm_eps", 1e-12)),
          activation_(b_.activation_fact("hidden_act", "gelu")) {}

    void build() {
        check();
        std::string x = embed();
        const std::string blocks = b_.base + "encoder.layer.";
        const std::int64_t count = b_.blocks("num_hidden_layers", blocks);
        const BlockFacts facts = {.names = kBlock,
                                  .hidden = hidden_,
                                  .ffn = ffn_,
                                  .heads = heads_,
                                  .epsilon = epsilon_,
                                  .activation = activation_,
                                  .why = attention_};
        std::string encoder;
        const std::string cross = fmt::format("{}0.{}.weight", blocks, kBlock.cross.query);
        if (b_.has(cross, b_.config.flag_or("add_cross_attention", false)))
            encoder = b_.values("encoder_hidden_states", b_.features_of(x));
        for (std::int64_t block = 0; block < count; block++)
            x = add_block(b_, facts, fmt::format("{}{}.", blocks, block), x, encoder);
        add_head(x);
    }

  private:
    void check() {
        const std::string kind = b_.config.word_or("position_embedding_type", "absolute");
        if (kind != "absolute") {
            b_.refuse(fmt::format("position_embedding_type: expected absolute, found {}", quote(kind)));
            attention_ = "attention with relative positions";
        }
        if (b_.config.flag_or("is_decoder", false)) {
            b_.refuse("is_decoder: expected false, found true");
            attention_ = "attention of a decoder";
        }
        if (!activation_.known && b_.config.exists())
            b_.refuse(
                fmt::format("hidden_act: expected an activation that Octile has, found {}", quote(activation_.word)));
    }

    std::string embed() {
        const std::string at = b_.base + "embeddings.";
        // RoBERTa's positions begin behind that of padding.
        const bool roberta = !b_.is("bert");
        const std::int64_t offset = roberta ? b_.config.count_or("pad_token_id", 1) + 1 : 0;
        const std::int64_t positions = b_.size("max_position_embeddings", b_.knows_tensors() ? 0 : 512);
        if (offset >= positions && positions > 0)
            b_.refuse(fmt::format("max_position_embeddings: expected more than {}, found {}", offset, positions));
        const std::string ids = b_.indices("token_ids"), types = b_.indices("token_types", true);
        const auto rows = [&](const char* key) { return b_.config.has(key) ? b_.config.extent(key) : 0; };
        const std::string x = b_.embedding(
            b_.base + "embeddings",
            {{at + "word_embeddings.weight", ids, rows("vocab_size")},
             {at + "token_type_embeddings.weight", types, b_.config.exists() ? b_.size("type_vocab_size", 2) : 0},
             {at + "position_embeddings.weight", "", positions, offset}},
            hidden_);
        return b_.layer_norm(at + "LayerNorm", x, epsilon_);
    }

    std::string add_pooler(const std::string& x) {
        const std::string at = b_.base + "pooler";
        const std::string first = b_.pool(at + ".first", x, Pooling::kFirst);
        return b_.tanh(at, b_.linear(at + ".dense", first, {.features = hidden_}));
    }

    std::string add_language_head(const std::string& x) {
        const bool bert = b_.is("bert");
        const std::string at = bert ? "cls.predictions" : "lm_head",
                          dense = at + (bert ? ".transform.dense" : ".dense"),
                          norm = at + (bert ? ".transform.LayerNorm" : ".layer_norm");
        // RoBERTa's is gelu whatever hidden_act says.
        const ActivationFact activation = bert ? activation_ : ActivationFact{Activation::kGelu, "gelu", false};
        std::string y = b_.activation(at + ".activation", b_.linear(dense, x, {.features = hidden_}), activation);
        y = b_.layer_norm(norm, y, epsilon_);
        const std::string own = at + ".decoder.weight", table = b_.base + "embeddings.word_embeddings.weight";
        const bool tied = !b_.has(own, !b_.config.flag_or("tie_word_embeddings", true));
        return b_.linear(at + ".decoder", y,
                         {.features = b_.size("vocab_size"),
                          .weight = tied ? table : "",
                          .shift = b_.has(at + ".decoder.bias", true) ? "" : at + ".bias"});
    }

    void add_head(const std::string& x) {
        const EncoderHead head = encoder_head(b_);
        const bool roberta = !b_.is("bert");
        switch (head) {
            case EncoderHead::kMaskedLanguage:
                return b_.output(add_language_head(x));
            case EncoderHead::kPretraining:
                b_.output(add_language_head(x));
                return b_.output(b_.linear("cls.seq_relationship", add_pooler(x), {.features = 2}));
            case EncoderHead::kNextSentence:
                return b_.output(b_.linear("cls.seq_relationship", add_pooler(x), {.features = 2}));
            case EncoderHead::kTokens:
                return b_.output(b_.linear("classifier", x, {.features = b_.config.labels()}));
            case EncoderHead::kQuestionAnswering:
                return b_.output(b_.linear("qa_outputs", x, {.features = b_.config.labels()}));
            case EncoderHead::kMultipleChoice:
                return b_.output(b_.linear("classifier", add_pooler(x), {.features = 1}));
            case EncoderHead::kSequence:
                if (!roberta)
                    return b_.output(b_.linear("classifier", add_pooler(x), {.features = b_.config.labels()}));
                return b_.output(b_.linear("classifier.out_proj", dense_of_first(x), {.features = b_.config.labels()}));
            case EncoderHead::kNone:
                break;
        }
        // Nobody reads it where the network yields an embedding, but it is there.
        if (b_.has(b_.base + "pooler.dense.weight", true)) add_pooler(x);
        add_embedding(b_, x);
    }

    std::string dense_of_first(const std::string& x) {
        const std::string first = b_.pool("classifier.first", x, Pooling::kFirst);
        return b_.tanh("classifier.tanh", b_.linear("classifier.dense", first, {.features = hidden_}));
    }

    NetworkBuilder& b_;
    std::int64_t hidden_, ffn_, heads_;
    double epsilon_;
    ActivationFact activation_;
    std::string attention_;  // why no session runs it
};

void build(NetworkBuilder& builder) {
    Bert(builder).build();
}

}  // namespace

const Families& bert_families() {
    static const Words honoured = {"vocab_size",
                                   "hidden_size",
                                   "num_hidden_layers",
                                   "num_attention_heads",
                                   "intermediate_size",
                                   "hidden_act",
                                   "type_vocab_size",
                                   "layer_norm_eps",
                                   "max_position_embeddings",
                                   "pad_token_id",
                                   "position_embedding_type"};
    // Of Google's own files; none has an effect in transformers.
    static const Words indifferent = {"directionality",       "pooler_fc_size",       "pooler_num_attention_heads",
                                      "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type"};
    static const Words block = {"encoder.layer.*.attention.self.query.weight",
                                "encoder.layer.*.intermediate.dense.weight", "encoder.layer.*.output.dense.weight",
                                "encoder.layer.*.attention.output.LayerNorm.weight"};
    static const Words early = {"encoder.layer.*.attention.self.query.weight",
                                "encoder.layer.*.attention.output.LayerNorm.gamma"};
    static const Families families = {{.model_types = {"bert"},
                                       .signatures = {{"bert", block}, {"bert", early}},
                                       .prefixes = {"", "bert."},
                                       .honoured = honoured,
                                       .indifferent = indifferent,
                                       .build = build},
                                      {.model_types = {"roberta", "xlm-roberta", "camembert"},
                                       .signatures = {{"roberta", block + Words{"lm_head.dense.weight"}}},
                                       .prefixes = {"", "roberta."},
                                       .honoured = honoured,
                                       .indifferent = indifferent,
                                       .build = build}};
    return families;
}

}  // namespace octile
