// Decoders with blocks of GPT's kind: GPT-2 (whose linears lie [K, N]), GPT-NeoX, OPT and Falcon.
//
// transformers/models/{gpt2,gpt_neox,opt,falcon}/modeling_*.py and configuration_*.py, 4.57 and 5.24.
#include "families/encoder_block.h"
#include "families/family.h"
#include "families/rotary.h"

namespace octile {
namespace {

struct HeadFacts {
    std::string table;  // of tokens: the head where that is tied
    const char* head = "lm_head";
    bool tied = true;
};

// The head of "architectures" behind rows that are through the last norm.
void add_head(NetworkBuilder& b, std::string x, const HeadFacts& facts) {
    const Config& config = b.config;
    const auto is = [&](std::string_view part) {
        return !b.options.sentence_embedding && config.architecture_has(part);
    };
    const bool language = is("LMHeadModel") || is("ForCausalLM") || is("DoubleHeads");
    const std::string all = x;
    if ((language || is("ForSequenceClassification")) && !b.options.all_logits)
        x = b.pool("last_token", x, Pooling::kLast);
    if (is("ForSequenceClassification"))
        return b.output(b.linear("score", x, {.features = config.labels(), .bias = false}));
    if (is("ForTokenClassification")) return b.output(b.linear("classifier", x, {.features = config.labels()}));
    if (is("ForQuestionAnswering")) return b.output(b.linear("qa_outputs", x, {.features = 2}));
    const std::string weight = std::string(facts.head) + ".weight";
    const bool by_names = !config.exists() && b.has(weight);
    if (language || by_names) {
        const bool own = b.has(weight, !config.flag_or("tie_word_embeddings", facts.tied));
        b.output(b.linear(facts.head, x,
                          {.features = b.size("vocab_size"), .bias = false, .weight = own ? "" : facts.table}));
        if (is("DoubleHeads"))
            b.output(b.linear("multiple_choice_head.summary", b.pool("multiple_choice_head.row", all, Pooling::kLast),
                              {.features = 1}));
        return;
    }
    if (!b.options.sentence_embedding) b.refuse_unless_bare();
    b.output(x);
}

std::string add_tokens(NetworkBuilder& b, const std::string& table, std::int64_t features,
                       const std::string& positions = {}) {
    const std::int64_t vocabulary = b.config.has("vocab_size") ? b.config.extent("vocab_size") : 0;
    std::vector<EmbeddingTable> tables = {{table + ".weight", b.indices("token_ids"), vocabulary}};
    if (!positions.empty() && b.has(positions + ".weight", true))
        tables.push_back({positions + ".weight", "", b.size("n_positions", b.knows_tensors() ? 0 : 1024)});
    return b.embedding(table, std::move(tables), features);
}

std::string last_norm(NetworkBuilder& b, const std::string& name, const std::string& x, double epsilon) {
    return b.config.exists() || b.has(name + ".weight") ? b.layer_norm(name, x, epsilon) : x;
}

void build_gpt2(NetworkBuilder& b) {
    static constexpr BlockNames kBlock = {.self = {.fused = "attn.c_attn", .out = "attn.c_proj", .norm = "ln_1"},
                                          .up = "mlp.c_fc",
                                          .down = "mlp.c_proj",
                                          .norm = "ln_2"};
    BlockFacts facts;
    facts.names = kBlock;
    facts.norm_first = facts.transposed = true;
    facts.hidden = b.size("n_embd", b.knows_tensors() ? 0 : 768);
    facts.ffn = b.config.extent_or("n_inner", 4 * facts.hidden);
    facts.epsilon = b.epsilon("layer_norm_epsilon", 1e-5);
    facts.activation = b.activation_fact("activation_function", "gelu_new");
    if (b.config.exists()) b.refuse("model_type: no session runs attention over parts of one linear");
    if (b.config.flag_or("add_cross_attention", false)) b.refuse("add_cross_attention: expected false, found true");
    const std::string table = b.base + "wte";
    std::string x = add_tokens(b, table, facts.hidden, b.base + "wpe");
    x = add_blocks(b, facts, "n_layer", b.base + "h.", x, b.knows_tensors() ? 0 : 12);
    add_head(b, last_norm(b, b.base + "ln_f", x, facts.epsilon), {.table = table + ".weight"});
}

void build_gpt_neox(NetworkBuilder& b) {
    static constexpr BlockNames kBlock = {
        .self = {.fused = "attention.query_key_value", .out = "attention.dense", .norm = "input_layernorm"},
        .up = "mlp.dense_h_to_4h",
        .down = "mlp.dense_4h_to_h",
        .norm = "post_attention_layernorm"};
    BlockFacts facts;
    facts.names = kBlock;
    facts.norm_first = true;
    facts.parallel = b.config.flag_or("use_parallel_residual", true);
    facts.qkv_bias = facts.out_bias = b.config.flag_or("attention_bias", true);
    facts.hidden = b.size("hidden_size");
    facts.ffn = b.size("intermediate_size");
    facts.epsilon = b.epsilon("layer_norm_eps", 1e-5);
    facts.activation = b.activation_fact("hidden_act", "gelu");
    if (b.config.exists()) b.refuse("model_type: no session runs attention over parts of one linear");
    const std::string table = b.base + "embed_in";
    std::string x = add_tokens(b, table, facts.hidden);
    x = add_blocks(b, facts, "num_hidden_layers", b.base + "layers.", x);
    const bool renamed = b.has("lm_head.weight");
    add_head(b, last_norm(b, b.base + "final_layer_norm", x, facts.epsilon),
             {.table = table + ".weight", .head = renamed ? "lm_head" : "embed_out", .tied = false});
}

void build_opt(NetworkBuilder& b) {
    static constexpr BlockNames kBlock = {.self = {.query = "self_attn.q_proj",
                                                   .key = "self_attn.k_proj",
                                                   .value = "self_attn.v_proj",
                                                   .out = "self_attn.out_proj",
                                                   .norm = "self_attn_layer_norm"},
                                          .up = "fc1",
                                          .down = "fc2",
                                          .norm = "final_layer_norm"};
    BlockFacts facts;
    facts.names = kBlock;
    // Only a network whose norms stand before its parts has one behind them all.
    facts.norm_first = b.config.flag_or("do_layer_norm_before",
                                        b.config.exists() || b.has(b.base + "decoder.final_layer_norm.weight"));
    facts.qkv_bias = facts.out_bias = facts.ffn_bias = b.config.flag_or("enable_bias", true);
    facts.hidden = b.size("hidden_size");
    facts.ffn = b.size("ffn_dim");
    facts.heads = b.config.exists() ? b.size("num_attention_heads", 12) : 0;
    facts.activation = b.activation_fact("activation_function", "relu");
    facts.causal = true;
    if (!b.config.flag_or("layer_norm_elementwise_affine", true))
        b.refuse("layer_norm_elementwise_affine: expected true, found false");
    const std::string at = b.base + "decoder.", table = at + "embed_tokens";
    const std::int64_t width = b.config.extent_or("word_embed_proj_dim", facts.hidden);
    std::string x = add_tokens(b, table, width);
    if (b.has(at + "project_in.weight", width != facts.hidden))
        x = b.linear(at + "project_in", x, {.features = facts.hidden, .bias = false});
    x = b.other(at + "embed_positions", "positions behind a projection", {x});
    x = add_blocks(b, facts, "num_hidden_layers", at + "layers.", x);
    const bool norm = facts.norm_first && !b.config.flag_or("_remove_final_layer_norm", false);
    if (norm) x = last_norm(b, at + "final_layer_norm", x, facts.epsilon);
    if (b.has(at + "project_out.weight", width != facts.hidden))
        x = b.linear(at + "project_out", x, {.features = width, .bias = false});
    add_head(b, x, {.table = table + ".weight"});
}

void build_falcon(NetworkBuilder& b) {
    const bool grouped = b.config.flag_or("new_decoder_architecture", b.has(b.base + "h.0.ln_attn.weight"));
    const bool parallel = b.config.flag_or("parallel_attn", !b.has(b.base + "h.0.post_attention_layernorm.weight"));
    const bool two = grouped && b.config.extent_or("num_ln_in_parallel_attn", 2) == 2;
    const char* first = two ? "ln_attn" : "input_layernorm";
    BlockFacts facts;
    facts.names = {.self = {.fused = "self_attention.query_key_value", .out = "self_attention.dense", .norm = first},
                   .up = "mlp.dense_h_to_4h",
                   .down = "mlp.dense_4h_to_h",
                   .norm = two                   ? "ln_mlp"
                           : parallel || grouped ? first
                                                 : "post_attention_layernorm"};
    facts.norm_first = true;
    facts.parallel = parallel || grouped;
    facts.qkv_bias = facts.out_bias = facts.ffn_bias = b.config.flag_or("bias", false);
    facts.hidden = b.size("hidden_size");
    facts.ffn = b.config.extent_or("ffn_hidden_size", 4 * facts.hidden);
    facts.epsilon = b.epsilon("layer_norm_epsilon", 1e-5);
    facts.activation = b.activation_fact("activation", "gelu");
    if (b.config.exists()) {
        const std::int64_t heads = b.size("num_attention_heads"), head = facts.hidden / heads;
        const bool one = b.config.flag_or("multi_query", true) && !grouped;
        const std::int64_t keys = one ? 1 : b.config.extent_or("num_kv_heads", heads);
        facts.fused = (heads + 2 * keys) * head;
        b.refuse("model_type: no session runs attention over parts of one linear");
    }
    const std::string table = b.base + "word_embeddings";
    std::string x = add_tokens(b, table, facts.hidden);
    x = add_blocks(b, facts, "num_hidden_layers", b.base + "h.", x);
    add_head(b, last_norm(b, b.base + "ln_f", x, facts.epsilon), {.table = table + ".weight"});
}

}  // namespace

const Families& gpt_families() {
    static const Families families = {
        {.model_types = {"gpt2"},
         .signatures = {{"gpt2", {"h.*.attn.c_attn.weight", "h.*.mlp.c_fc.weight", "h.*.mlp.c_proj.weight"}}},
         .prefixes = {"", "transformer."},
         .honoured = {"vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner", "activation_function",
                      "layer_norm_epsilon", "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "n_ctx",
                      "reorder_and_upcast_attn"},
         .indifferent = {"summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels",
                         "summary_first_dropout"},
         .build = build_gpt2,
         .transposed = {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj", "crossattention.c_attn",
                        "crossattention.q_attn", "crossattention.c_proj"}},
        {.model_types = {"gpt_neox"},
         .signatures = {{"gpt_neox",
                         {"layers.*.attention.query_key_value.weight", "layers.*.mlp.dense_h_to_4h.weight",
                          "layers.*.input_layernorm.weight"}}},
         .prefixes = {"gpt_neox.", ""},
         .honoured = Words{"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                           "hidden_act", "layer_norm_eps", "use_parallel_residual", "attention_bias", "rotary_pct",
                           "rotary_emb_base"} +
                     rotary_keys(),
         .indifferent = {},
         .build = build_gpt_neox},
        {.model_types = {"opt"},
         .signatures = {{"opt",
                         {"decoder.layers.*.self_attn.q_proj.weight", "decoder.layers.*.fc1.weight",
                          "decoder.layers.*.self_attn_layer_norm.weight", "decoder.embed_tokens.weight"},
                         {"decoder.layers.*.encoder_attn.q_proj.weight", "encoder.layers.*.fc1.weight"}}},
         .prefixes = {"model.", ""},
         .honoured = {"vocab_size", "hidden_size", "num_hidden_layers", "ffn_dim", "max_position_embeddings",
                      "do_layer_norm_before", "_remove_final_layer_norm", "word_embed_proj_dim", "num_attention_heads",
                      "activation_function", "enable_bias", "layer_norm_elementwise_affine"},
         .indifferent = {},
         .build = build_opt},
        {.model_types = {"falcon"},
         .signatures = {{"falcon", {"h.*.self_attention.query_key_value.weight", "h.*.mlp.dense_h_to_4h.weight"}}},
         .prefixes = {"transformer.", ""},
         .honoured =
             Words{"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_ln_in_parallel_attn",
                   "layer_norm_epsilon", "num_kv_heads", "alibi", "new_decoder_architecture", "multi_query",
                   "parallel_attn", "bias", "ffn_hidden_size", "activation"} +
             rotary_keys(),
         .indifferent = {},
         .build = build_falcon}};
    return families;
}

}  // namespace octile
