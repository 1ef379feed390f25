// Wav2Vec2 and HuBERT: convolutions make a row of each frame, and an encoder of blocks reads them.
//
// transformers/models/{wav2vec2,hubert}/modeling_*.py and configuration_*.py, 4.57 and 5.24. A token is a frame here.
#include <fmt/format.h>

#include "base/json_document.h"
#include "families/encoder_block.h"
#include "families/family.h"

namespace octile {
namespace {

constexpr BlockNames kBlock = {.self = {.query = "attention.q_proj",
                                        .key = "attention.k_proj",
                                        .value = "attention.v_proj",
                                        .out = "attention.out_proj",
                                        .norm = "layer_norm"},
                               .up = "feed_forward.intermediate_dense",
                               .down = "feed_forward.output_dense",
                               .norm = "final_layer_norm"};

// Features of a frame: the last of conv_dim, or what the projection reads.
std::int64_t frame_features(const NetworkBuilder& b) {
    const TensorList::Shape* shape = b.shape_of(b.base + "feature_projection.projection.weight");
    if (shape && shape->size() == 2) return shape->back();
    if (!b.config.has("conv_dim")) return b.config.exists() ? 512 : 0;
    const nlohmann::json& array = b.config.at("conv_dim");
    if (!array.is_array() || array.empty() || !array.back().is_number_integer() || array.back() < 1 ||
        array.back() > kMaxReduction)
        fail_at("conv_dim",
                fmt::format("expected an array of numbers up to {}, found {}", kMaxReduction, found(array)));
    return array.back().get<std::int64_t>();
}

void add_head(NetworkBuilder& b, const std::string& x, const std::string& frames) {
    const auto features = [&](const char* key, std::int64_t otherwise) {
        return b.config.exists() ? b.size(key, otherwise) : 0;
    };
    if (b.config.architecture_has("ForCTC") || b.has("lm_head.weight"))
        return b.output(b.linear("lm_head", x, {.features = b.size("vocab_size", b.config.exists() ? 32 : 0)}));
    if (b.config.architecture_has("ForPreTraining")) {
        const std::int64_t codes = features("num_codevectors_per_group", 320) * features("num_codevector_groups", 2);
        b.output(b.linear("project_hid", x, {.features = features("proj_codevector_dim", 256)}));
        const std::string logits = b.linear("quantizer.weight_proj", frames, {.features = codes});
        const TensorList::Shape* shape = b.shape_of("project_q.weight");
        const std::string quantized =
            b.other("quantizer", "the vectors of a code book", {logits},
                    shape && shape->size() == 2 ? shape->back() : features("codevector_dim", 256));
        return b.output(b.linear("project_q", quantized, {.features = features("proj_codevector_dim", 256)}));
    }
    if (b.config.architecture_has("ForSequenceClassification")) {
        const std::string y = b.linear("projector", x, {.features = features("classifier_proj_size", 256)});
        return b.output(
            b.linear("classifier", b.pool("projector.mean", y, Pooling::kMean), {.features = b.config.labels()}));
    }
    b.refuse_unless_bare();
    b.output(x);
}

void build(NetworkBuilder& b) {
    const std::int64_t hidden = b.size("hidden_size");
    const double epsilon = b.epsilon("layer_norm_eps", 1e-5);
    // Names do not tell where the norms stand.
    const bool stable = b.config.flag_or("do_stable_layer_norm", false), unknown = !b.config.exists();
    if (b.config.flag_or("add_adapter", false)) b.refuse("add_adapter: expected false, found true");
    if (b.config.has("adapter_attn_dim")) b.refuse("adapter_attn_dim: expected none, found one");
    if (b.config.flag_or("use_weighted_layer_sum", false))
        b.refuse("use_weighted_layer_sum: expected false, found true");
    const BlockFacts facts = {.names = kBlock,
                              .norm_first = stable || unknown,
                              .norms_unknown = unknown,
                              .hidden = hidden,
                              .ffn = b.size("intermediate_size"),
                              .heads = b.config.exists() ? b.size("num_attention_heads", 12) : 0,
                              .epsilon = epsilon,
                              .activation = b.activation_fact("hidden_act", "gelu")};
    const std::string sound = b.values("frames", frame_features(b)), norm = b.base + "feature_projection.layer_norm";
    std::string frames = b.other(b.base + "feature_extractor", "convolutions over sound", {sound});
    if (b.has(norm + ".weight", b.config.flag_or("feat_proj_layer_norm", true)))
        frames = b.layer_norm(norm, frames, epsilon);
    std::string x = b.linear(b.base + "feature_projection.projection", frames, {.features = hidden});
    x = b.other(b.base + "encoder.pos_conv_embed", "a convolution over positions", {x});
    const std::string outer = b.base + "encoder.layer_norm", blocks = b.base + "encoder.layers.";
    if (!stable && !unknown) x = b.layer_norm(outer, x, epsilon);
    x = add_blocks(b, facts, "num_hidden_layers", blocks, x, 12);
    if (stable) x = b.layer_norm(outer, x, epsilon);
    if (unknown) x = b.other(outer + ".place", "a norm here, or before the blocks", {x});
    add_head(b, x, frames);
}

}  // namespace

const Families& wav2vec2_families() {
    static const Words honoured = {"vocab_size",
                                   "hidden_size",
                                   "num_hidden_layers",
                                   "num_attention_heads",
                                   "intermediate_size",
                                   "hidden_act",
                                   "layer_norm_eps",
                                   "conv_dim",
                                   "conv_stride",
                                   "conv_kernel",
                                   "conv_bias",
                                   "num_feat_extract_layers",
                                   "feat_extract_norm",
                                   "feat_extract_activation",
                                   "feat_proj_layer_norm",
                                   "num_conv_pos_embeddings",
                                   "num_conv_pos_embedding_groups",
                                   "conv_pos_batch_norm",
                                   "do_stable_layer_norm",
                                   "classifier_proj_size",
                                   "num_codevectors_per_group",
                                   "num_codevector_groups",
                                   "codevector_dim",
                                   "proj_codevector_dim",
                                   "add_adapter",
                                   "adapter_attn_dim",
                                   "use_weighted_layer_sum"};
    // Of training, of adapters that are refused, and of the head of x-vectors.
    static const Words indifferent = {"apply_spec_augment",
                                      "mask_time_prob",
                                      "mask_time_length",
                                      "mask_time_min_masks",
                                      "mask_feature_prob",
                                      "mask_feature_length",
                                      "mask_feature_min_masks",
                                      "mask_channel_length",
                                      "mask_channel_min_space",
                                      "mask_channel_other",
                                      "mask_channel_prob",
                                      "mask_channel_selection",
                                      "mask_time_min_space",
                                      "mask_time_other",
                                      "mask_time_selection",
                                      "contrastive_logits_temperature",
                                      "num_negatives",
                                      "diversity_loss_weight",
                                      "ctc_loss_reduction",
                                      "ctc_zero_infinity",
                                      "feat_proj_dropout",
                                      "feat_quantizer_dropout",
                                      "final_dropout",
                                      "feat_extract_dropout",
                                      "tdnn_dim",
                                      "tdnn_kernel",
                                      "tdnn_dilation",
                                      "xvector_output_dim",
                                      "adapter_kernel_size",
                                      "adapter_stride",
                                      "num_adapter_layers",
                                      "output_hidden_size",
                                      "tokenizer_class",
                                      "gradient_checkpointing"};
    static const Words block = {"encoder.layers.*.attention.q_proj.weight",
                                "encoder.layers.*.feed_forward.intermediate_dense.weight",
                                "feature_projection.projection.weight"};
    // The norm of feature_projection is wav2vec2's; a HuBERT may have it too.
    static const Families families = {{.model_types = {"wav2vec2", "hubert"},
                                       .signatures = {{"wav2vec2", block}},
                                       .prefixes = {"", "wav2vec2.", "hubert."},
                                       .honoured = honoured,
                                       .indifferent = indifferent,
                                       .build = build}};
    return families;
}

}  // namespace octile
