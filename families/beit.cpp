// BEiT: ViT with keys that have no bias, relative positions, and a scale for each channel behind both parts of a block.
//
// transformers/models/beit/modeling_beit.py and configuration_beit.py, 4.57 and 5.24.
#include "families/encoder_block.h"
#include "families/family.h"
#include "families/vision.h"

namespace octile {
namespace {

constexpr BlockNames kBlock = {.self = {.query = "attention.attention.query",
                                        .key = "attention.attention.key",
                                        .value = "attention.attention.value",
                                        .out = "attention.output.dense",
                                        .norm = "layernorm_before"},
                               .up = "intermediate.dense",
                               .down = "output.dense",
                               .norm = "layernorm_after",
                               .attention_scale = "lambda_1",
                               .ffn_scale = "lambda_2"};

// What the bare network makes of the rows: a norm of all, or of the mean of the patches.
std::string add_end(NetworkBuilder& b, const std::string& x, double epsilon) {
    const std::string norm = b.base + "layernorm", pooled = b.base + "pooler.layernorm";
    const bool mean = b.has(pooled + ".weight", b.config.flag_or("use_mean_pooling", true));
    if (!mean && b.has(norm + ".weight", true))
        return row_of_image(b, b.base + "pooler", b.layer_norm(norm, x, epsilon));
    if (!b.has(pooled + ".weight", true)) return x;
    return b.layer_norm(
        pooled,
        b.other(b.base + "pooler.mean", "the mean of the patches", {x}, 0, Rows{.unit = Rows::Unit::kSequences}),
        epsilon);
}

void build(NetworkBuilder& b) {
    const std::int64_t hidden = b.size("hidden_size");
    const double epsilon = b.epsilon("layer_norm_eps", 1e-12);
    const bool relative = b.config.flag_or("use_relative_position_bias", false) ||
                          b.config.flag_or("use_shared_relative_position_bias", false);
    const BlockFacts facts = {.names = kBlock,
                              .norm_first = true,
                              .key_bias = false,
                              .hidden = hidden,
                              .ffn = b.size("intermediate_size"),
                              .heads = b.config.exists() ? b.size("num_attention_heads", 12) : 0,
                              .epsilon = epsilon,
                              .activation = b.activation_fact("hidden_act", "gelu"),
                              .why = relative ? "attention with relative positions" : ""};
    std::string x = add_patches(b, b.base + "embeddings.patch_embeddings.projection", patches_of(b), hidden, 1);
    const std::string blocks = b.base + "encoder.layer.";
    x = add_blocks(b, facts, "num_hidden_layers", blocks, x, 12);

    if (b.config.architecture_has("ForMaskedImageModeling")) {
        const std::string patches =
            b.other("lm_head.rows", "the rows of the patches", {b.layer_norm("layernorm", x, epsilon)}, 0,
                    rows_of_image(patches_of(b).count));
        return b.output(b.linear("lm_head", patches, {.features = b.size("vocab_size", 8192)}));
    }
    const std::string y = add_end(b, x, epsilon);
    if (b.config.architecture_has("ForImageClassification") || b.has("classifier.weight"))
        return b.output(b.linear("classifier", y, {.features = b.config.labels()}));
    b.refuse_unless_bare();
    b.output(y);
}

}  // namespace

const Families& beit_families() {
    static const Families families = {
        {.model_types = {"beit"},
         .signatures = {{"beit",
                         {"encoder.layer.*.attention.attention.query.weight", "encoder.layer.*.lambda_1",
                          "encoder.layer.*.layernorm_before.weight", "encoder.layer.*.intermediate.dense.weight"}}},
         .prefixes = {"", "beit."},
         .honoured = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                      "hidden_act", "layer_norm_eps", "image_size", "patch_size", "num_channels", "use_mean_pooling",
                      "use_relative_position_bias", "use_shared_relative_position_bias",
                      "use_absolute_position_embeddings"},
         // Training's, and of heads for segmentation.
         .indifferent = {"layer_scale_init_value", "use_mask_token", "pool_scales", "use_auxiliary_head",
                         "auxiliary_loss_weight", "auxiliary_channels", "auxiliary_num_convs", "auxiliary_concat_input",
                         "semantic_loss_ignore_index", "add_fpn", "reshape_hidden_states", "stage_names",
                         "out_features", "out_indices"},
         .build = build}};
    return families;
}

}  // namespace octile
