// DINOv2: ViT with a scale for each channel behind both parts of a block, and in its largest form a gated feed-forward
// part whose two halves are one linear.
//
// transformers/models/dinov2/modeling_dinov2.py and configuration_dinov2.py, and the same of dinov2_with_registers,
// 4.57 and 5.24.
#include "families/encoder_block.h"
#include "families/family.h"
#include "families/vision.h"

namespace octile {
namespace {

BlockNames names_of(bool gated) {
    return {.self = {.query = "attention.attention.query",
                     .key = "attention.attention.key",
                     .value = "attention.attention.value",
                     .out = "attention.output.dense",
                     .norm = "norm1"},
            .up = gated ? "mlp.weights_in" : "mlp.fc1",
            .gate_in_up = gated,
            .down = gated ? "mlp.weights_out" : "mlp.fc2",
            .norm = "norm2",
            .attention_scale = "layer_scale1.lambda1",
            .ffn_scale = "layer_scale2.lambda1"};
}

// Of a gated part two thirds, a multiple of 8.
std::int64_t ffn_of(const NetworkBuilder& b, std::int64_t hidden, bool gated) {
    if (!b.config.exists()) return 0;
    const std::int64_t ffn = hidden * b.size("mlp_ratio", 4);
    return gated ? (ffn * 2 / 3 + 7) / 8 * 8 : ffn;
}

void build(NetworkBuilder& b) {
    const std::int64_t hidden = b.size("hidden_size");
    const std::string blocks = b.base + "encoder.layer.";
    const bool gated = b.has(blocks + "0.mlp.weights_in.weight", b.config.flag_or("use_swiglu_ffn", false));
    const double epsilon = b.epsilon("layer_norm_eps", 1e-6);
    const std::int64_t registers = b.is("dinov2") ? 0 : b.config.count_or("num_register_tokens", 4);
    const BlockFacts facts = {.names = names_of(gated),
                              .norm_first = true,
                              .qkv_bias = b.config.flag_or("qkv_bias", true),
                              .hidden = hidden,
                              .ffn = ffn_of(b, hidden, gated),
                              .heads = b.config.exists() ? b.size("num_attention_heads", 12) : 0,
                              .epsilon = epsilon,
                              .activation = b.activation_fact("hidden_act", "gelu")};
    std::string x = add_patches(b, b.base + "embeddings.patch_embeddings.projection",
                                patches_of(b, 224, b.is("dinov2") ? 14 : 16), hidden, 1 + registers);
    x = add_blocks(b, facts, "num_hidden_layers", blocks, x, 12);
    x = b.layer_norm(b.base + "layernorm", x, epsilon);

    if (b.config.architecture_has("ForImageClassification") || b.has("classifier.weight")) {
        const std::string row = b.other("classifier.rows", "the class token beside the mean of the patches", {x},
                                        2 * b.features_of(x), Rows{.unit = Rows::Unit::kSequences});
        return b.output(b.linear("classifier", row, {.features = b.config.labels()}));
    }
    b.refuse_unless_bare();
    b.output(x);
}

}  // namespace

const Families& dinov2_families() {
    static const Words honoured = {"hidden_size",  "num_hidden_layers", "num_attention_heads", "mlp_ratio",
                                   "hidden_act",   "layer_norm_eps",    "image_size",          "patch_size",
                                   "num_channels", "qkv_bias",          "use_swiglu_ffn",      "num_register_tokens"};
    // layerscale_value is what training begins with; the others are of backbones that detectors are built on.
    static const Words indifferent = {"layerscale_value", "use_mask_token", "apply_layernorm", "reshape_hidden_states",
                                      "stage_names",      "out_features",   "out_indices"};
    static const Words block = {"encoder.layer.*.attention.attention.query.weight",
                                "encoder.layer.*.layer_scale1.lambda1", "encoder.layer.*.norm1.weight"};
    static const Families families = {
        {.model_types = {"dinov2"},
         .signatures = {{"dinov2", block, {"embeddings.register_tokens"}}},
         .prefixes = {"", "dinov2."},
         .honoured = honoured,
         .indifferent = indifferent,
         .build = build},
        {.model_types = {"dinov2_with_registers"},
         .signatures = {{"dinov2_with_registers", block + Words{"embeddings.register_tokens"}}},
         .prefixes = {"", "dinov2_with_registers."},
         .honoured = honoured,
         .indifferent = indifferent,
         .build = build}};
    return families;
}

}  // namespace octile
