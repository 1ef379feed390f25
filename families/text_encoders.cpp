// Encoders of text with blocks of their own names: DistilBERT, ELECTRA, MPNet, DeBERTa v2.
//
// transformers/models/{distilbert,electra,mpnet,deberta_v2}/modeling_*.py and configuration_*.py, 4.57 and 5.24.
#include <fmt/format.h>

#include <utility>

#include "families/encoder_block.h"
#include "families/encoder_heads.h"
#include "families/encoder_parts.h"
#include "families/family.h"

namespace octile {
namespace {

constexpr BlockNames kBertBlock = {.self = {.query = "attention.self.query",
                                            .key = "attention.self.key",
                                            .value = "attention.self.value",
                                            .out = "attention.output.dense",
                                            .norm = "attention.output.LayerNorm"},
                                   .up = "intermediate.dense",
                                   .down = "output.dense",
                                   .norm = "output.LayerNorm"};

const ActivationFact kTanh = {std::nullopt, "tanh", false};
const ActivationFact kGelu = {Activation::kGelu, "gelu", false};

void build_distilbert(NetworkBuilder& b) {
    static constexpr BlockNames kBlock = {.self = {.query = "attention.q_lin",
                                                   .key = "attention.k_lin",
                                                   .value = "attention.v_lin",
                                                   .out = "attention.out_lin",
                                                   .norm = "sa_layer_norm"},
                                          .up = "ffn.lin1",
                                          .down = "ffn.lin2",
                                          .norm = "output_layer_norm"};
    BlockFacts facts = facts_of(b, kBlock, "dim", "hidden_dim", "n_heads", "activation", "gelu");
    std::string x = add_embeddings(b, facts.hidden, facts.epsilon, 0, false);
    x = add_blocks(b, facts, "n_layers", b.base + "transformer.layer.", x);
    const EncoderHead head = encoder_head(b);
    if (add_simple_head(b, head, x)) return;
    if (head == EncoderHead::kSequence || head == EncoderHead::kMultipleChoice) {
        const std::string dense =
            b.linear("pre_classifier", first_token(b, "pre_classifier.first", x), {.features = facts.hidden});
        const std::string y = b.activation("pre_classifier.relu", dense, {Activation::kRelu, "relu", false});
        return b.output(
            b.linear("classifier", y, {.features = head == EncoderHead::kSequence ? b.config.labels() : 1}));
    }
    if (head == EncoderHead::kMaskedLanguage) {
        std::string y = b.linear("vocab_transform", x, {.features = facts.hidden});
        y = b.layer_norm("vocab_layer_norm", b.activation("vocab_transform.activation", y, facts.activation), 1e-12);
        return b.output(add_vocabulary(b, "vocab_projector", y, "vocab_projector.bias"));
    }
    add_embedding(b, x);
}

void build_electra(NetworkBuilder& b) {
    BlockFacts facts =
        facts_of(b, kBertBlock, "hidden_size", "intermediate_size", "num_attention_heads", "hidden_act", "gelu");
    if (b.config.flag_or("is_decoder", false)) b.refuse("is_decoder: expected false, found true");
    const std::int64_t width = b.size("embedding_size", b.knows_tensors() ? 0 : 128);
    std::string x = add_embeddings(b, width, facts.epsilon, 0, true);
    const std::string project = b.base + "embeddings_project";
    if (b.has(project + ".weight", width != facts.hidden)) x = b.linear(project, x, {.features = facts.hidden});
    x = add_blocks(b, facts, "num_hidden_layers", b.base + "encoder.layer.", x);
    const EncoderHead head = encoder_head(b);
    if (add_simple_head(b, head, x)) return;
    if (head == EncoderHead::kSequence) return add_dense_classifier(b, x, facts.hidden, kGelu);
    if (head == EncoderHead::kPretraining) {
        const std::string y = b.linear("discriminator_predictions.dense", x, {.features = facts.hidden});
        return b.output(b.linear("discriminator_predictions.dense_prediction",
                                 b.activation("discriminator_predictions.activation", y, facts.activation),
                                 {.features = 1}));
    }
    if (head == EncoderHead::kMaskedLanguage) {
        std::string y = b.linear("generator_predictions.dense", x, {.features = width});
        y = b.layer_norm("generator_predictions.LayerNorm", b.activation("generator_predictions.activation", y, kGelu),
                         facts.epsilon);
        return b.output(add_vocabulary(b, "generator_lm_head", y, "generator_lm_head.bias"));
    }
    add_embedding(b, x);
}

void build_mpnet(NetworkBuilder& b) {
    static constexpr BlockNames kBlock = {.self = {.query = "attention.attn.q",
                                                   .key = "attention.attn.k",
                                                   .value = "attention.attn.v",
                                                   .out = "attention.attn.o",
                                                   .norm = "attention.LayerNorm"},
                                          .up = "intermediate.dense",
                                          .down = "output.dense",
                                          .norm = "output.LayerNorm"};
    BlockFacts facts =
        facts_of(b, kBlock, "hidden_size", "intermediate_size", "num_attention_heads", "hidden_act", "gelu");
    const std::string distances = b.base + "encoder.relative_attention_bias.weight";
    facts.distance_bias = DistanceBias{.tensor = b.wrapped(distances)};
    // transformers computes with 32 rows of the table, whatever it has.
    const std::int64_t buckets = b.config.extent_or("relative_attention_num_buckets", 32);
    const TensorList::Shape* table = b.shape_of(distances);
    const bool has_table = !b.knows_tensors() || (table && *table == TensorList::Shape{buckets, facts.heads});
    const bool fits = !b.config.exists() || (buckets == facts.distance_bias->buckets && has_table);
    if (!fits) {
        b.refuse(
            fmt::format("tensor {}: expected [{}, {}], as relative_attention_num_buckets and num_attention_heads "
                        "say, found another",
                        b.wrapped(distances), facts.distance_bias->buckets, facts.heads));
        facts.why = "attention with a bias by distance of another table";
    }
    // Positions begin behind that of padding, which is 1 whatever pad_token_id says.
    std::string x = add_embeddings(b, facts.hidden, facts.epsilon, 2, false);
    x = add_blocks(b, facts, "num_hidden_layers", b.base + "encoder.layer.", x);
    const EncoderHead head = encoder_head(b);
    if (add_simple_head(b, head, x)) return;
    if (head == EncoderHead::kSequence) return add_dense_classifier(b, x, facts.hidden, kTanh);
    if (head == EncoderHead::kMaskedLanguage) {
        std::string y =
            b.activation("lm_head.activation", b.linear("lm_head.dense", x, {.features = facts.hidden}), kGelu);
        y = b.layer_norm("lm_head.layer_norm", y, facts.epsilon);
        return b.output(add_vocabulary(b, "lm_head.decoder", y, "lm_head.bias"));
    }
    const std::string dense = b.base + "pooler.dense";
    const bool choice = head == EncoderHead::kMultipleChoice;
    const std::string pooled = b.has(dense + ".weight", true) ? add_pooler(b, x, facts.hidden, dense) : x;
    if (choice) return b.output(b.linear("classifier", pooled, {.features = 1}));
    add_embedding(b, x);
}

// The rows of DeBERTa's table of distances.
std::string relative_positions(NetworkBuilder& b, std::int64_t hidden) {
    const std::string table = b.base + "encoder.rel_embeddings";
    const TensorList::Shape* shape = b.shape_of(table + ".weight");
    if (shape && shape->size() == 2)
        return b.other(table, "distances", {}, shape->back(),
                       Rows{.unit = Rows::Unit::kFixed, .count = shape->front()});
    // -1 stands for the next key.
    const auto says = [&](const char* key) { return b.config.has(key) && b.config.at(key) > 0; };
    const char* const key = says("position_buckets")         ? "position_buckets"
                            : says("max_relative_positions") ? "max_relative_positions"
                                                             : "max_position_embeddings";
    const std::int64_t rows = 2 * b.config.extent_or(key, 512);
    return b.other(table, "distances", {}, hidden, Rows{.unit = Rows::Unit::kFixed, .count = rows});
}

// Of keys and queries of distances, where they are not those of the tokens.
void add_position_linears(NetworkBuilder& b, const std::string& at, const std::string& x, std::int64_t hidden) {
    const bool own = b.config.flag_or("relative_attention", false) && !b.config.flag_or("share_att_key", false);
    // A list of names, or names between bars.
    const std::string kinds = own && b.config.has("pos_att_type") ? b.config.at("pos_att_type").dump() : "";
    for (const auto& [kind, name] : {std::pair("c2p", "pos_key_proj"), {"p2c", "pos_query_proj"}})
        if (b.has(at + name + ".weight", kinds.find(kind) != std::string::npos))
            b.linear(at + name, x, {.features = hidden});
}

void build_deberta(NetworkBuilder& b) {
    BlockNames names = kBertBlock;
    names.self = {.query = "attention.self.query_proj",
                  .key = "attention.self.key_proj",
                  .value = "attention.self.value_proj",
                  .out = "attention.output.dense",
                  .norm = "attention.output.LayerNorm"};
    BlockFacts facts =
        facts_of(b, names, "hidden_size", "intermediate_size", "num_attention_heads", "hidden_act", "gelu");
    facts.epsilon = b.epsilon("layer_norm_eps", 1e-7);
    facts.why = "attention with relative positions";
    if (b.config.exists()) b.refuse("model_type: no session runs attention with relative positions");
    const bool positions =
        b.has(b.base + "embeddings.position_embeddings.weight", b.config.flag_or("position_biased_input", true));
    const bool types =
        b.has(b.base + "embeddings.token_type_embeddings.weight", b.config.count_or("type_vocab_size", 0) > 0);
    std::string x = add_embeddings(b, facts.hidden, facts.epsilon, 0, types, "embeddings.LayerNorm", positions);
    x = b.other(b.base + "embeddings.masked", "rows without padding", {x});
    const std::string blocks = b.base + "encoder.layer.", convolution = b.base + "encoder.conv";
    const std::int64_t count = b.blocks("num_hidden_layers", blocks);
    const bool convolves = b.has(convolution + ".conv.weight", b.config.count_or("conv_kernel_size", 0) > 0);
    const std::string embedded = x, positioned = relative_positions(b, facts.hidden);
    for (std::int64_t block = 0; block < count; block++) {
        add_position_linears(b, fmt::format("{}{}.attention.self.", blocks, block), positioned, facts.hidden);
        x = add_block(b, facts, fmt::format("{}{}.", blocks, block), x);
        if (block == 0 && convolves) x = b.other(convolution, "a convolution beside the first block", {embedded, x});
    }
    const EncoderHead head = encoder_head(b);
    if (add_simple_head(b, head, x)) return;
    if (head == EncoderHead::kMaskedLanguage) {
        const std::string at = "cls.predictions.transform.";
        std::string y =
            b.activation(at + "activation", b.linear(at + "dense", x, {.features = facts.hidden}), facts.activation);
        y = b.layer_norm(at + "LayerNorm", y, facts.epsilon);
        return b.output(add_vocabulary(b, "cls.predictions.decoder", y, "cls.predictions.bias"));
    }
    if (head == EncoderHead::kSequence || head == EncoderHead::kMultipleChoice) {
        const std::string dense =
            b.linear("pooler.dense", first_token(b, "pooler.first", x), {.features = facts.hidden});
        const std::string pooled =
            b.activation("pooler.activation", dense, b.activation_fact("pooler_hidden_act", "gelu"));
        return b.output(
            b.linear("classifier", pooled, {.features = head == EncoderHead::kSequence ? b.config.labels() : 1}));
    }
    add_embedding(b, x);
}

}  // namespace

const Families& text_encoder_families() {
    static const Families families = {
        {.model_types = {"distilbert"},
         .signatures = {{"distilbert",
                         {"transformer.layer.*.attention.q_lin.weight", "transformer.layer.*.ffn.lin1.weight",
                          "transformer.layer.*.sa_layer_norm.weight"}}},
         .prefixes = {"", "distilbert."},
         .honoured = {"vocab_size", "max_position_embeddings", "n_layers", "n_heads", "dim", "hidden_dim",
                      "activation"},
         .indifferent = {"sinusoidal_pos_embds", "qa_dropout", "seq_classif_dropout", "tie_weights_"},
         .build = build_distilbert},
        {.model_types = {"electra"},
         .signatures = {{"electra",
                         {"encoder.layer.*.attention.self.query.weight", "embeddings_project.weight",
                          "encoder.layer.*.intermediate.dense.weight", "encoder.layer.*.output.LayerNorm.weight",
                          "encoder.layer.*.output.dense.weight"}}},
         .prefixes = {"", "electra."},
         .honoured = encoder_sizes(),
         .indifferent = {"summary_type", "summary_use_proj", "summary_activation", "summary_last_dropout"},
         .build = build_electra},
        {.model_types = {"mpnet"},
         .signatures = {{"mpnet",
                         {"encoder.layer.*.attention.attn.q.weight", "encoder.layer.*.attention.LayerNorm.weight",
                          "encoder.relative_attention_bias.weight"}}},
         .prefixes = {"", "mpnet."},
         .honoured = encoder_sizes() + Words{"relative_attention_num_buckets"},
         .indifferent = {},
         .build = build_mpnet},
        {.model_types = {"deberta-v2"},
         .signatures = {{"deberta-v2",
                         {"encoder.layer.*.attention.self.query_proj.weight", "encoder.rel_embeddings.weight",
                          "encoder.layer.*.intermediate.dense.weight"}}},
         .prefixes = {"", "deberta."},
         .honoured = encoder_sizes() + Words{"relative_attention", "position_biased_input", "pooler_hidden_act",
                                             "pos_att_type", "share_att_key", "norm_rel_ebd", "position_buckets",
                                             "max_relative_positions", "conv_kernel_size", "conv_act"},
         .indifferent = {"pooler_dropout", "pooler_hidden_size", "legacy", "conv_groups", "attention_head_size",
                         "stable_dropout"},
         .build = build_deberta}};
    return families;
}

}  // namespace octile
