// Decoders of LLaMA's kind that differ from it in data: SmolLM3, Granite, OLMo 2, Gemma 1 to 3, Phi 1 to 3, StarCoder
// 2, Cohere, and those with experts: Mixtral, Qwen2-MoE, Qwen3-MoE, gpt-oss.
//
// transformers/models/<model_type>/modeling_*.py and configuration_*.py, 4.57 and 5.24.
#include "families/decoder.h"
#include "families/family.h"
#include "families/rotary.h"

namespace octile {
namespace {

constexpr const char* kScaled = "a product with the square root of the width";

void build_smollm3(NetworkBuilder& b) {
    build_decoder(b, {.bias_key = "attention_bias",
                      .out_bias_key = "attention_bias",
                      .ffn_bias_key = "mlp_bias",
                      .key_heads = 4,
                      .theta = 2000000,
                      .windowed = false,
                      .tied = true,
                      .no_rotary_interval = 4});
}

void build_granite(NetworkBuilder& b) {
    const bool scaled = b.config.number_or("embedding_multiplier", 1) != 1;
    build_decoder(b, {.bias_key = "attention_bias",
                      .out_bias_key = "attention_bias",
                      .ffn_bias_key = "mlp_bias",
                      .attention_scale = 1,
                      .embedding = scaled ? "a product with embedding_multiplier" : ""});
}

void build_olmo2(NetworkBuilder& b) {
    build_decoder(b, {.norms = NormPlaces::kAfter,
                      .epsilon = 1e-5,
                      .bias_key = "attention_bias",
                      .out_bias_key = "attention_bias",
                      .head_norms = HeadNorms::kRows});
}

// 4.x reads hidden_activation where it is there, and 5.x hidden_act.
const char* gemma_activation(const NetworkBuilder& b) {
    return b.config.has("hidden_activation") ? "hidden_activation" : "hidden_act";
}

void build_gemma(NetworkBuilder& b) {
    build_decoder(b, {.norm = NormKind::kRmsPlusOne,
                      .activation_key = gemma_activation(b),
                      .activation = "gelu_pytorch_tanh",
                      .bias_key = "attention_bias",
                      .out_bias_key = "attention_bias",
                      .key_heads = 16,
                      .head = 256,
                      .tied = true,
                      .embedding = kScaled});
}

void build_gemma2(NetworkBuilder& b) {
    build_decoder(b, {.norms = NormPlaces::kAround,
                      .norm = NormKind::kRmsPlusOne,
                      .activation_key = "hidden_activation",
                      .activation = "gelu_pytorch_tanh",
                      .bias_key = "attention_bias",
                      .out_bias_key = "attention_bias",
                      .heads = 8,
                      .key_heads = 4,
                      .vocabulary = b.is("gemma2") ? 256000 : 262208,
                      .head = 256,
                      .head_norms = b.is("gemma2") ? HeadNorms::kNone : HeadNorms::kHeads,
                      .window = 4096,
                      .tied = true,
                      .attention = "attention of gemma",
                      .embedding = kScaled});
}

void build_phi(NetworkBuilder& b) {
    build_decoder(b, {.norms = NormPlaces::kParallel,
                      .norm = NormKind::kLayer,
                      .epsilon_key = "layer_norm_eps",
                      .epsilon = 1e-5,
                      .activation = "gelu_new",
                      .qkv_bias = true,
                      .out_bias = true,
                      .ffn_bias = true,
                      .head_norms = HeadNorms::kHeads,
                      .head_norm_names = {"q_layernorm", "k_layernorm"},
                      .out = "dense",
                      .feed_forward = FeedForward::kPlain,
                      .up = "fc1",
                      .down = "fc2",
                      .last_norm = "final_layernorm",
                      .head_bias = true,
                      .attention = "attention with a partial rotary embedding"});
}

void build_phi3(NetworkBuilder& b) {
    build_decoder(b, {.epsilon = 1e-5, .fused_qkv = true, .feed_forward = FeedForward::kFusedGated});
}

void build_starcoder2(NetworkBuilder& b) {
    build_decoder(b, {.norm = NormKind::kLayer,
                      .epsilon_key = "norm_epsilon",
                      .epsilon = 1e-5,
                      .activation = "gelu_pytorch_tanh",
                      .bias_key = "use_bias",
                      .out_bias_key = "use_bias",
                      .qkv_bias = true,
                      .out_bias = true,
                      .ffn_bias_key = "use_bias",
                      .ffn_bias = true,
                      .key_heads = 2,
                      .feed_forward = FeedForward::kPlain,
                      .up = "c_fc",
                      .down = "c_proj",
                      .tied = true});
}

void build_cohere(NetworkBuilder& b) {
    build_decoder(
        b, {.norms = NormPlaces::kParallel,
            .norm = NormKind::kLayer,
            .norm_bias = false,
            .epsilon_key = "layer_norm_eps",
            .epsilon = 1e-5,
            .bias_key = "attention_bias",
            .out_bias_key = "attention_bias",
            .head_norms = b.config.flag_or("use_qk_norm", b.knows_tensors()) ? HeadNorms::kHeads : HeadNorms::kNone,
            .tied = true,
            .attention = "attention with an interleaved rotary embedding"});
}

void build_mixtral(NetworkBuilder& b) {
    build_decoder(b, {.epsilon = 1e-5,
                      .key_heads = 8,
                      .experts = {.count_key = "num_local_experts",
                                  .size_key = "intermediate_size",
                                  .part = "block_sparse_moe",
                                  .gate = "w1",
                                  .up = "w3",
                                  .down = "w2",
                                  .each = 2,
                                  .count = 8},
                      .theta = 1000000});
}

void build_qwen2_moe(NetworkBuilder& b) {
    build_decoder(b, {.bias_key = "qkv_bias",
                      .qkv_bias = true,
                      .key_heads = 16,
                      .experts = {.count_key = "num_experts", .each = 4, .count = 60, .shared = true},
                      .window = 4096,
                      .windowed = false});
}

void build_qwen3_moe(NetworkBuilder& b) {
    build_decoder(b, {.bias_key = "attention_bias",
                      .out_bias_key = "attention_bias",
                      .key_heads = 4,
                      .head_norms = HeadNorms::kHeads,
                      .experts = {.count_key = "num_experts", .count = 128},
                      .window = 4096,
                      .windowed = false});
}

void build_qwen3_next(NetworkBuilder& b) {
    const bool experts = b.is("qwen3_next");
    build_decoder(
        b, {.norm = NormKind::kRmsPlusOne,
            .bias_key = "attention_bias",
            .out_bias_key = "attention_bias",
            .key_heads = experts ? 2 : 4,
            .head = 256,
            .head_norms = HeadNorms::kHeads,
            .experts = {.count_key = experts ? "num_experts" : nullptr, .each = 10, .count = 512, .shared = true},
            .linear_interval = 4,
            .gated_queries = true,
            .attention = "attention with a gate"});
}

void build_gpt_oss(NetworkBuilder& b) {
    build_decoder(b, {.epsilon = 1e-5,
                      .bias_key = "attention_bias",
                      .out_bias_key = "attention_bias",
                      .qkv_bias = true,
                      .out_bias = true,
                      .key_heads = 8,
                      .head = 64,
                      .experts = {.count_key = "num_local_experts",
                                  .size_key = "intermediate_size",
                                  .each = 4,
                                  .count = 128,
                                  .stacked = true,
                                  .transposed = true},
                      .theta = 150000,
                      .window = 128,
                      .attention = "attention with sinks"});
}

Words sizes() {
    return Words{"vocab_size",          "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                 "num_key_value_heads", "head_dim",    "hidden_act",        "rms_norm_eps"} +
           rotary_keys();
}

Words expert_keys() {
    return {"num_experts",
            "num_local_experts",
            "num_experts_per_tok",
            "moe_intermediate_size",
            "shared_expert_intermediate_size",
            "decoder_sparse_step",
            "mlp_only_layers",
            "norm_topk_prob"};
}

Words linear_attention_keys() {
    return {"attention_bias",
            "layer_types",
            "full_attention_interval",
            "linear_conv_kernel_dim",
            "linear_key_head_dim",
            "linear_value_head_dim",
            "linear_num_key_heads",
            "linear_num_value_heads",
            "attn_output_gate",
            "mamba_ssm_dtype",
            "output_gate_type",
            "mtp_num_hidden_layers",
            "mtp_use_dedicated_embeddings"};
}

Words expert_training() {
    return {"output_router_logits", "router_aux_loss_coef", "router_jitter_noise"};
}

}  // namespace

const Families& decoder_families() {
    static const Words prefixes = {"model.", ""};
    static const Words gated = {"layers.*.self_attn.q_proj.weight", "layers.*.mlp.gate_proj.weight",
                                "layers.*.mlp.down_proj.weight"};
    static const Words q = {"layers.*.self_attn.q_proj.weight"};
    // transformers writes the second beside the layer_types that it made of it, and does not read it again.
    static const Words gemma2_indifferent = {"cache_implementation", "_sliding_window_pattern"};
    static const Families families = {
        {.model_types = {"smollm3"},
         .signatures = {},
         .prefixes = prefixes,
         .honoured =
             sizes() + window_keys() + Words{"attention_bias", "mlp_bias", "no_rope_layers", "no_rope_layer_interval"},
         .indifferent = {"pretraining_tp"},
         .build = build_smollm3},
        {.model_types = {"granite"},
         .signatures = {},
         .prefixes = prefixes,
         .honoured = sizes() + Words{"attention_bias", "mlp_bias", "embedding_multiplier", "logits_scaling",
                                     "residual_multiplier", "attention_multiplier"},
         .indifferent = {"pretraining_tp"},
         .build = build_granite},
        {.model_types = {"olmo2"},
         .signatures = {{"olmo2",
                         gated +
                             Words{"layers.*.post_feedforward_layernorm.weight", "layers.*.self_attn.q_norm.weight"},
                         {"layers.*.input_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + Words{"attention_bias"},
         .indifferent = {},
         .build = build_olmo2},
        {.model_types = {"gemma"},
         .signatures = {},
         .prefixes = prefixes,
         .honoured = sizes() + Words{"hidden_activation", "attention_bias", "use_bidirectional_attention"},
         .indifferent = {},
         .build = build_gemma},
        {.model_types = {"gemma2", "gemma3_text"},
         .signatures = {{"gemma2",
                         gated + Words{"layers.*.pre_feedforward_layernorm.weight",
                                       "layers.*.post_feedforward_layernorm.weight", "layers.*.input_layernorm.weight"},
                         {"layers.*.self_attn.q_norm.weight"}},
                        {"gemma3_text",
                         gated + Words{"layers.*.pre_feedforward_layernorm.weight",
                                       "layers.*.post_feedforward_layernorm.weight", "layers.*.input_layernorm.weight",
                                       "layers.*.self_attn.q_norm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + window_keys() +
                     Words{"hidden_activation", "attention_bias", "query_pre_attn_scalar", "final_logit_softcapping",
                           "attn_logit_softcapping", "use_bidirectional_attention", "rope_local_base_freq",
                           "sliding_window_pattern"},
         .indifferent = gemma2_indifferent,
         .build = build_gemma2},
        {.model_types = {"gemma3"},
         .signatures = {},
         .prefixes = {"model.language_model.", "language_model.model.", "model."},
         .honoured = sizes() + window_keys() +
                     Words{"hidden_activation", "attention_bias", "query_pre_attn_scalar", "final_logit_softcapping",
                           "attn_logit_softcapping", "use_bidirectional_attention", "rope_local_base_freq",
                           "sliding_window_pattern"},
         .indifferent = gemma2_indifferent,
         .build = build_gemma2,
         .part = "text_config"},
        {.model_types = {"phi"},
         .signatures = {{"phi", q + Words{"layers.*.self_attn.dense.weight", "layers.*.mlp.fc1.weight",
                                          "layers.*.input_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + Words{"layer_norm_eps", "qk_layernorm"},
         .indifferent = {},
         .build = build_phi},
        {.model_types = {"phi3"},
         .signatures = {{"phi3",
                         {"layers.*.self_attn.qkv_proj.weight", "layers.*.mlp.gate_up_proj.weight",
                          "layers.*.input_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + Words{"original_max_position_embeddings", "sliding_window", "attention_bias"},
         .indifferent = {},
         .build = build_phi3},
        {.model_types = {"starcoder2"},
         .signatures = {{"starcoder2", q + Words{"layers.*.mlp.c_fc.weight", "layers.*.mlp.c_proj.weight",
                                                 "layers.*.input_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + Words{"norm_epsilon", "use_bias", "sliding_window"},
         .indifferent = {"residual_dropout", "mlp_type", "norm_type", "use_bias_", "layer_norm_eps"},
         .build = build_starcoder2},
        {.model_types = {"cohere"},
         .signatures = {{"cohere",
                         gated + Words{"layers.*.input_layernorm.weight"},
                         {"layers.*.post_attention_layernorm.weight", "layers.*.post_feedforward_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + Words{"layer_norm_eps", "logit_scale", "attention_bias", "use_qk_norm"},
         .indifferent = {},
         .build = build_cohere},
        {.model_types = {"mixtral"},
         .signatures = {{"mixtral", q + Words{"layers.*.block_sparse_moe.gate.weight",
                                              "layers.*.block_sparse_moe.experts.*.w1.weight",
                                              "layers.*.input_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + expert_keys() + Words{"sliding_window"},
         .indifferent = expert_training(),
         .build = build_mixtral},
        {.model_types = {"qwen2_moe"},
         .signatures = {{"qwen2_moe", q + Words{"layers.*.mlp.gate.weight", "layers.*.mlp.shared_expert_gate.weight",
                                                "layers.*.self_attn.q_proj.bias", "layers.*.input_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + expert_keys() + window_keys() + Words{"qkv_bias"},
         .indifferent = expert_training(),
         .build = build_qwen2_moe},
        {.model_types = {"qwen3_moe"},
         .signatures = {{"qwen3_moe",
                         q + Words{"layers.*.mlp.gate.weight", "layers.*.mlp.experts.*.gate_proj.weight",
                                   "layers.*.self_attn.q_norm.weight", "layers.*.input_layernorm.weight"},
                         {"layers.*.mlp.shared_expert_gate.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + expert_keys() + window_keys() + Words{"attention_bias"},
         .indifferent = expert_training(),
         .build = build_qwen3_moe},
        {.model_types = {"qwen3_next", "qwen3_5_text"},
         .signatures = {{"qwen3_next",
                         {"layers.*.linear_attn.in_proj_qkvz.weight", "layers.*.linear_attn.out_proj.weight",
                          "layers.*.input_layernorm.weight"}},
                        {"qwen3_5_text",
                         {"layers.*.linear_attn.in_proj_qkv.weight", "layers.*.linear_attn.out_proj.weight",
                          "layers.*.input_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes() + expert_keys() + linear_attention_keys(),
         .indifferent = expert_training(),
         .build = build_qwen3_next},
        {.model_types = {"qwen3_5"},
         .signatures = {},
         .prefixes = {"model.language_model.", "model."},
         .honoured = sizes() + expert_keys() + linear_attention_keys(),
         .indifferent = expert_training(),
         .build = build_qwen3_next,
         .part = "text_config"},
        {.model_types = {"gpt_oss"},
         .signatures = {{"gpt_oss", q + Words{"layers.*.mlp.router.weight", "layers.*.self_attn.sinks",
                                              "layers.*.input_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured =
             sizes() + expert_keys() + window_keys() +
             Words{"attention_bias", "swiglu_alpha", "swiglu_limit", "initial_context_length", "experts_per_token"},
         .indifferent = expert_training(),
         .build = build_gpt_oss}};
    return families;
}

}  // namespace octile
