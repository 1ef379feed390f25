// LLaMA, Mistral, Qwen2 and Qwen3.
//
// transformers/models/{llama,mistral,qwen2,qwen3}/modeling_*.py and configuration_*.py, 4.57 and 5.24.
#include "families/decoder.h"
#include "families/family.h"
#include "families/rotary.h"

namespace octile {
namespace {

void build_llama(NetworkBuilder& builder) {
    build_decoder(builder,
                  {.bias_key = "attention_bias", .out_bias_key = "attention_bias", .ffn_bias_key = "mlp_bias"});
}

void build_mistral(NetworkBuilder& builder) {
    build_decoder(builder, {.key_heads = 8, .window = 4096, .window_places = WindowPlaces::kAll});
}

void build_qwen2(NetworkBuilder& builder) {
    build_decoder(
        builder,
        {.qkv_bias = true, .key_heads = 32, .window = 4096, .windowed = false, .window_places = WindowPlaces::kLast});
}

void build_qwen3(NetworkBuilder& builder) {
    build_decoder(builder, {.bias_key = "attention_bias",
                            .out_bias_key = "attention_bias",
                            .key_heads = 32,
                            .head = 128,
                            .head_norms = HeadNorms::kHeads,
                            .window = 4096,
                            .windowed = false,
                            .window_places = WindowPlaces::kLast});
}

}  // namespace

const Families& llama_families() {
    static const Words sizes = {"vocab_size",        "hidden_size",         "intermediate_size",
                                "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                                "head_dim",          "hidden_act",          "rms_norm_eps"};
    static const Words block = {"layers.*.self_attn.q_proj.weight", "layers.*.self_attn.o_proj.weight",
                                "layers.*.mlp.gate_proj.weight", "layers.*.mlp.down_proj.weight",
                                "layers.*.input_layernorm.weight"};
    // Of networks with other norms.
    static const Words others = {"layers.*.pre_feedforward_layernorm.weight", "layers.*.self_attn.q_norm.weight"};
    // How a matrix was cut for training.
    static const Words training = {"pretraining_tp", "is_llama_config"};
    static const Words prefixes = {"model.", ""};
    static const Families families = {
        {.model_types = {"llama"},
         .signatures = {{"llama", block, others + Words{"layers.*.self_attn.q_proj.bias"}}},
         .prefixes = prefixes,
         .honoured = sizes + rotary_keys() + Words{"attention_bias", "mlp_bias"},
         .indifferent = training,
         .build = build_llama},
        {.model_types = {"mistral"},
         .signatures = {},
         .prefixes = prefixes,
         .honoured = sizes + rotary_keys() + Words{"sliding_window"},
         .indifferent = {},
         .build = build_mistral},
        {.model_types = {"qwen2"},
         .signatures = {{"qwen2", block + Words{"layers.*.self_attn.q_proj.bias"}, others}},
         .prefixes = prefixes,
         .honoured = sizes + rotary_keys() + window_keys(),
         .indifferent = {},
         .build = build_qwen2},
        {.model_types = {"qwen3"},
         .signatures = {{"qwen3",
                         block + Words{"layers.*.self_attn.q_norm.weight"},
                         {"layers.*.pre_feedforward_layernorm.weight"}}},
         .prefixes = prefixes,
         .honoured = sizes + rotary_keys() + window_keys() + Words{"attention_bias"},
         .indifferent = {},
         .build = build_qwen3}};
    return families;
}

}  // namespace octile
