// ViT and DeiT.
//
// transformers/models/{vit,deit}/modeling_*.py and configuration_*.py, 4.57 and 5.24.
#include <fmt/format.h>

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
                               .norm = "layernorm_after"};

void add_pooler(NetworkBuilder& b, const std::string& x, std::int64_t hidden) {
    const std::string at = b.base + "pooler";
    const std::string dense = b.linear(at + ".dense", row_of_image(b, at + ".first", x),
                                       {.features = b.config.extent_or("pooler_output_size", hidden)});
    b.activation(at + ".activation", dense, b.activation_fact("pooler_act", "tanh"));
}

void build(NetworkBuilder& b) {
    const std::int64_t hidden = b.size("hidden_size");
    const double epsilon = b.epsilon("layer_norm_eps", 1e-12);
    const BlockFacts facts = {.names = kBlock,
                              .norm_first = true,
                              .qkv_bias = b.config.flag_or("qkv_bias", true),
                              .hidden = hidden,
                              .ffn = b.size("intermediate_size"),
                              .heads = b.config.exists() ? b.size("num_attention_heads", 12) : 0,
                              .epsilon = epsilon,
                              .activation = b.activation_fact("hidden_act", "gelu")};
    std::string x =
        add_patches(b, b.base + "embeddings.patch_embeddings.projection", patches_of(b), hidden, b.is("deit") ? 2 : 1);
    const std::string blocks = b.base + "encoder.layer.";
    const std::int64_t count = b.blocks("num_hidden_layers", blocks);
    for (std::int64_t block = 0; block < count; block++)
        x = add_block(b, facts, fmt::format("{}{}.", blocks, block), x);
    const std::string norm = b.base + "layernorm";
    if (b.config.exists() || b.has(norm + ".weight")) x = b.layer_norm(norm, x, epsilon);

    const std::int64_t labels = b.config.labels();
    if (b.config.architecture_has("WithTeacher")) {
        b.output(b.linear("cls_classifier", row_of_image(b, "cls_classifier.first", x), {.features = labels}));
        b.output(b.linear("distillation_classifier", row_of_image(b, "distillation_classifier.second", x),
                          {.features = labels}));
    } else if (b.config.architecture_has("ForImageClassification") || b.has("classifier.weight")) {
        b.output(b.linear("classifier", row_of_image(b, "classifier.first", x), {.features = labels}));
    } else {
        const bool masked = b.config.architecture_has("ForMaskedImageModeling");
        if (!masked) b.refuse_unless_bare();
        if (b.has(b.base + "pooler.dense.weight", !masked)) add_pooler(b, x, hidden);
        b.output(masked ? b.other("decoder", "a convolution and a shuffle of pixels", {x}) : x);
    }
}

}  // namespace

const Families& vit_families() {
    static const Words honoured = {"hidden_size",  "num_hidden_layers", "num_attention_heads", "intermediate_size",
                                   "hidden_act",   "layer_norm_eps",    "image_size",          "patch_size",
                                   "num_channels", "qkv_bias",          "pooler_output_size",  "pooler_act"};
    static const Words block = {"encoder.layer.*.attention.attention.query.weight",
                                "encoder.layer.*.layernorm_before.weight", "encoder.layer.*.intermediate.dense.weight"};
    static const Families families = {{.model_types = {"vit"},
                                       .signatures = {{"vit", block, {"encoder.layer.*.attention.self.query.weight"}}},
                                       .prefixes = {"", "vit."},
                                       .honoured = honoured,
                                       .indifferent = {"encoder_stride"},
                                       .build = build},
                                      {.model_types = {"deit"},
                                       .signatures = {{"deit", block + Words{"embeddings.distillation_token"}}},
                                       .prefixes = {"", "deit."},
                                       .honoured = honoured,
                                       .indifferent = {"encoder_stride"},
                                       .build = build}};
    return families;
}

}  // namespace octile
