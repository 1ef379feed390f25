// Nomic BERT.
//
// transformers/models/nomic_bert/modeling_nomic_bert.py and configuration_nomic_bert.py, 5.24; the keys of before are
// those of configuration_hf_nomic_bert.py beside nomic-embed-text-v1.5.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json_document.h"
#include "base/printable.h"
#include "families/encoder_parts.h"
#include "families/rotary.h"

namespace octile {
namespace {

// The file as the authors' own code writes it, before transformers had the type. That code can do more than any network
// of theirs does.
void read_original(NetworkBuilder& b, BlockFacts& facts) {
    facts.epsilon = b.epsilon("layer_norm_epsilon", 1e-12);
    const std::string gate = b.config.word_or("activation_function", "gelu");
    if (gate == "swiglu" || gate == "geglu")
        facts.activation = {gate == "swiglu" ? Activation::kSilu : Activation::kGelu, gate, false};
    else
        b.refuse(fmt::format("activation_function: expected swiglu or geglu, found {}", internal::quote(gate)));
    for (const char* flag : {"causal", "prenorm", "use_rms_norm", "parallel_block", "rotary_emb_interleaved",
                             "scale_attn_by_inverse_layer_idx"})
        if (b.config.flag_or(flag, false)) b.refuse(fmt::format("{}: expected false, found true", flag));
    for (const char* none : {"rotary_scaling_factor", "rotary_emb_scale_base"})
        if (b.config.has(none)) b.refuse(fmt::format("{}: expected null, found {}", none, found(b.config.at(none))));
    if (!b.config.flag_or("scale_attn_weights", true)) b.refuse("scale_attn_weights: expected true, found false");
    if (b.config.number_or("rotary_emb_fraction", 1) != 1)
        b.refuse(fmt::format("rotary_emb_fraction: expected 1, found {}", b.config.number("rotary_emb_fraction")));
}

void build_nomic(NetworkBuilder& b) {
    static constexpr BlockNames kBlock = {.self = {.fused = "attn.Wqkv", .out = "attn.out_proj", .norm = "norm1"},
                                          .gate = "mlp.fc12",
                                          .up = "mlp.fc11",
                                          .down = "mlp.fc2",
                                          .norm = "norm2"};
    const bool original = b.config.has("n_embd") && !b.config.has("hidden_size");
    BlockFacts facts =
        original ? facts_of(b, kBlock, "n_embd", "n_inner", "n_head", "hidden_act", "silu")
                 : facts_of(b, kBlock, "hidden_size", "intermediate_size", "num_attention_heads", "hidden_act", "silu");
    facts.cut = true;
    facts.qkv_bias = facts.out_bias = original && b.config.flag_or("qkv_proj_bias", true);
    facts.ffn_bias = original && b.config.flag_or("mlp_fc1_bias", true);
    if (original) read_original(b, facts);
    AttentionFacts attention = attention_facts(b, original ? b.config.number_or("rotary_emb_base", 1000) : 1000);
    facts.rotary = attention.rotary;
    facts.why = std::move(attention.why);
    if (facts.heads > 0 && facts.hidden > 0)
        facts.projected =
            facts.heads * b.config.extent_or("head_dim", std::max<std::int64_t>(facts.hidden / facts.heads, 1));
    std::string x = add_embeddings(b, facts.hidden, facts.epsilon, 0, true, "emb_ln", false);
    x = add_blocks(b, facts, original ? "n_layer" : "num_hidden_layers", b.base + "encoder.layers.", x);
    const EncoderHead head = encoder_head(b);
    if (add_simple_head(b, head, x)) return;
    if (head == EncoderHead::kMaskedLanguage) {
        const std::string at = "cls.predictions.transform.";
        std::string y =
            b.activation(at + "activation", b.linear(at + "dense", x, {.features = facts.hidden}), facts.activation);
        y = b.layer_norm(at + "layer_norm", y, facts.epsilon);
        return b.output(add_vocabulary(b, "cls.predictions.decoder", y, "cls.predictions.bias"));
    }
    const std::string dense = b.base + "pooler.dense";
    std::string pooled = x;
    if (b.has(dense + ".weight", head == EncoderHead::kSequence)) pooled = add_pooler(b, x, facts.hidden, dense);
    if (head == EncoderHead::kSequence)
        return b.output(b.linear("classifier", pooled, {.features = b.config.labels()}));
    add_embedding(b, x);
}

}  // namespace

const Families& nomic_families() {
    static const Families families = {
        {.model_types = {"nomic_bert"},
         .signatures = {{"nomic_bert",
                         {"encoder.layers.*.attn.Wqkv.weight", "encoder.layers.*.mlp.fc11.weight",
                          "encoder.layers.*.mlp.fc12.weight", "encoder.layers.*.norm1.weight"}}},
         .prefixes = {"", "nomic_bert."},
         .honoured = encoder_sizes() + rotary_keys() +
                     Words{"head_dim",
                           "n_embd",
                           "n_inner",
                           "n_head",
                           "n_layer",
                           "layer_norm_epsilon",
                           "qkv_proj_bias",
                           "mlp_fc1_bias",
                           "rotary_emb_base",
                           "activation_function",
                           "causal",
                           "prenorm",
                           "use_rms_norm",
                           "parallel_block",
                           "rotary_emb_interleaved",
                           "rotary_scaling_factor",
                           "rotary_emb_scale_base",
                           "scale_attn_weights",
                           "rotary_emb_fraction",
                           "scale_attn_by_inverse_layer_idx"},
         .indifferent = {"auto_map", "dense_seq_output", "fused_bias_fc", "fused_dropout_add_ln",
                         "max_trained_positions", "mlp_fc2_bias", "n_positions", "pad_vocab_size_multiple",
                         "parallel_block_tied_norm", "reorder_and_upcast_attn", "summary_activation",
                         "summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj",
                         "use_flash_attn", "use_xentropy"},
         .build = build_nomic}};
    return families;
}

}  // namespace octile
