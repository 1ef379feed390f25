// Networks that timm saved: ViT, DeiT, DINOv2, BEiT, EVA and Swin under timm's own names. Its config.json names an
// architecture and no sizes, so that the names and shapes of the tensors tell all there is.
//
// timm/models/{vision_transformer,deit,beit,eva,swin_transformer}.py, 1.0.
#include <fmt/format.h>

#include "families/encoder_block.h"
#include "families/family.h"
#include "families/vision.h"

namespace octile {
namespace {

constexpr Rows kOneRow = {.unit = Rows::Unit::kSequences};

// A first linear that yields twice what the second one reads has both halves of a gate.
bool has_gate_in_up(const NetworkBuilder& b, const std::string& at) {
    const TensorList::Shape *up = b.shape_of(at + "mlp.fc1.weight"), *down = b.shape_of(at + "mlp.fc2.weight");
    return up && down && up->size() == 2 && down->size() == 2 && (*up)[0] == 2 * (*down)[1];
}

BlockFacts facts_of(const NetworkBuilder& b, const std::string& first, bool windows) {
    BlockFacts facts;
    const bool beit = b.has(first + "gamma_1"), scaled = b.has(first + "ls1.gamma");
    const bool gate = b.has(first + "mlp.fc1_g.weight");
    facts.names = {.self = {.fused = "attn.qkv", .out = "attn.proj", .norm = "norm1"},
                   .gate = gate ? "mlp.fc1_g" : nullptr,
                   .up = gate ? "mlp.fc1_x" : "mlp.fc1",
                   .gate_in_up = has_gate_in_up(b, first),
                   .down = "mlp.fc2",
                   .norm = "norm2",
                   .attention_scale = beit     ? "gamma_1"
                                      : scaled ? "ls1.gamma"
                                               : nullptr,
                   .ffn_scale = beit     ? "gamma_2"
                                : scaled ? "ls2.gamma"
                                         : nullptr};
    // EVA's has queries, keys and values apart.
    if (b.has(first + "attn.q_proj.weight"))
        facts.names.self = {
            .query = "attn.q_proj", .key = "attn.k_proj", .value = "attn.v_proj", .out = "attn.proj", .norm = "norm1"};
    facts.norm_first = true;
    facts.why = windows ? "attention within windows" : "attention of an unknown number of heads";
    facts.epsilon = 1e-6;
    facts.activation = {Activation::kGelu, "gelu", true};
    if (gate) facts.activation = {Activation::kSilu, "silu", true};
    // A norm of its own between gate and second linear: not this block. CLIP's has gelu or quick_gelu, and no name
    // tells which.
    if (b.has(first + "mlp.norm.weight") || b.has(first + "attn.norm.weight") || b.has(b.base + "norm_pre.weight"))
        facts.activation = {std::nullopt, "that no name tells", true};
    return facts;
}

std::string norm_if_there(NetworkBuilder& b, const std::string& name, const std::string& x) {
    return b.has(name + ".weight") ? b.layer_norm(name, x, 1e-6) : x;
}

std::string embed(NetworkBuilder& b) {
    const std::string projection = b.base + "patch_embed.proj";
    const TensorList::Shape* shape = b.shape_of(projection + ".weight");
    const std::int64_t width = shape && !shape->empty() ? shape->front() : 0;
    return b.other(projection + ".embedded", "patches, class tokens and positions", {b.values("patches", width)},
                   width);
}

// SigLIP's pooling: a learned query attends to all rows.
std::string add_pooling(NetworkBuilder& b, const std::string& x) {
    const std::string at = b.base + "attn_pool.";
    const std::string latent = b.other(at + "latent", "a learned query", {x}, 0, kOneRow);
    const std::string q = b.linear(at + "q", latent, {}), kv = b.linear(at + "kv", x, {});
    const std::string attended = b.other(at + "attention", "attention over parts of one linear", {q, kv}, 0, kOneRow);
    const std::string y = b.linear(at + "proj", attended, {});
    const std::string z = b.linear(at + "mlp.fc1", norm_if_there(b, at + "norm", y), {});
    return b.add(at + "residual", y,
                 b.linear(at + "mlp.fc2", b.activation(at + "mlp.act", z, {Activation::kGelu, "gelu", true}), {}));
}

void add_head(NetworkBuilder& b, std::string x) {
    const std::string head = b.base + "head", inner = head + ".fc";
    if (b.has(b.base + "attn_pool.q.weight")) {
        x = add_pooling(b, x);
    } else if (b.has(head + ".weight") || b.has(inner + ".weight")) {
        // The class token or the mean: no name tells.
        x = b.other(head + ".row", "a row of each image", {x}, 0, kOneRow);
        x = norm_if_there(b, b.base + "fc_norm", x);
    } else {
        x = norm_if_there(b, b.base + "fc_norm", x);
    }
    const std::string distilled = b.base + "head_dist";
    if (b.has(distilled + ".weight")) b.output(b.linear(distilled, x, {}));
    for (const std::string& name : {head, inner})
        if (b.has(name + ".weight")) x = b.linear(name, x, {});
    b.output(x);
}

void build_vit(NetworkBuilder& b) {
    const std::string blocks = b.base + "blocks.";
    std::string x = norm_if_there(b, b.base + "norm_pre", embed(b));
    x = add_blocks(b, facts_of(b, blocks + "0.", false), "", blocks, x);
    add_head(b, norm_if_there(b, b.base + "norm", x));
}

void build_swin(NetworkBuilder& b) {
    std::string x = norm_if_there(b, b.base + "patch_embed.norm", embed(b));
    const std::int64_t stages = b.blocks("", b.base + "layers.");
    for (std::int64_t stage = 0; stage < stages; stage++) {
        const std::string at = fmt::format("{}layers.{}.", b.base, stage);
        // Four neighbours become one row, before a stage's blocks.
        if (b.has(at + "downsample.reduction.weight")) {
            const std::string four =
                b.other(at + "downsample.neighbours", "four rows beside each other", {x}, 4 * b.features_of(x));
            x = b.linear(at + "downsample.reduction", norm_if_there(b, at + "downsample.norm", four), {});
        }
        x = add_blocks(b, facts_of(b, at + "blocks.0.", true), "", at + "blocks.", x);
    }
    add_head(b, norm_if_there(b, b.base + "norm", x));
}

}  // namespace

const Families& timm_families() {
    static const Words tail = {"blocks.*.norm1.weight", "blocks.*.norm2.weight", "blocks.*.attn.proj.weight",
                               "patch_embed.proj.weight"};
    static const Families families = {
        {.model_types = {},
         .signatures = {{"timm's ViT", Words{"blocks.*.attn.qkv.weight"} + tail},
                        {"timm's ViT", Words{"blocks.*.attn.q_proj.weight"} + tail}},
         .prefixes = {""},
         .honoured = {},
         .indifferent = {},
         .build = build_vit},
        {.model_types = {},
         .signatures = {{"timm's Swin",
                         {"layers.*.blocks.*.attn.qkv.weight", "layers.*.blocks.*.norm1.weight",
                          "layers.*.downsample.reduction.weight", "layers.*.blocks.*.attn.relative_position_bias_table",
                          "patch_embed.norm.weight"}}},
         .prefixes = {""},
         .honoured = {},
         .indifferent = {},
         .build = build_swin}};
    return families;
}

}  // namespace octile
