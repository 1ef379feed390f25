// Networks that see and hear, in transformers' names and in timm's.
#include "tests/families/networks.h"

using namespace octile;

namespace {

json image_config(const std::string& type, const std::string& architecture) {
    json config = config_of(type, architecture);
    config.erase("vocab_size");
    config.erase("max_position_embeddings");
    config["image_size"] = 32;
    config["patch_size"] = 8;
    return config;
}

json towers(const std::string& type, const std::string& architecture) {
    json image = image_config(type + "_vision_model", "");
    image["hidden_size"] = 24;
    json text = config_of(type + "_text_model", "");
    image.erase("architectures");
    text.erase("architectures");
    text["hidden_size"] = 16;
    return {{"model_type", type},
            {"architectures", {architecture}},
            {"text_config", text},
            {"vision_config", image},
            {"projection_dim", 12}};
}

json swin_config() {
    return {{"model_type", "swin"}, {"architectures", {"SwinForImageClassification"}},
            {"image_size", 32},     {"patch_size", 4},
            {"embed_dim", 16},      {"depths", {1, 2}},
            {"num_heads", {2, 4}},  {"window_size", 4},
            {"mlp_ratio", 2.5}};
}

json sound_config(const std::string& type, const std::string& architecture) {
    json config = config_of(type, architecture);
    config.erase("max_position_embeddings");
    config["conv_dim"] = {8, 20};
    return config;
}

}  // namespace

TEST_CASE("families: images and sound of a configuration and of the tensors it describes are the same") {
    json gated = image_config("dinov2", "Dinov2ForImageClassification");
    gated.erase("intermediate_size");
    json plain = gated;
    gated["use_swiglu_ffn"] = true;
    json stable = sound_config("hubert", "HubertForCTC");
    stable["do_stable_layer_norm"] = true;
    const std::vector<json> configs = {plain,
                                       gated,
                                       image_config("beit", "BeitForImageClassification"),
                                       image_config("beit", "BeitModel"),
                                       swin_config(),
                                       towers("clip", "CLIPModel"),
                                       towers("siglip", "SiglipModel"),
                                       sound_config("wav2vec2", "Wav2Vec2ForCTC"),
                                       stable,
                                       sound_config("wav2vec2", "Wav2Vec2ForSequenceClassification")};
    for (const json& config : configs) {
        INFO(config.dump());
        const FamilyNetwork described = build(config);
        const TensorList tensors = tensors_of(described.graph);
        const FamilyNetwork both = build(config, &tensors);
        CHECK(thin(both) == thin(described));
        CHECK(both.obstacles == described.obstacles);
        CHECK(described.unknown_keys.empty());
    }
}

TEST_CASE("families: rows of an image, of a class token and of a stage") {
    json config = image_config("dinov2", "Dinov2ForImageClassification");
    config.erase("intermediate_size");
    config["hidden_size"] = 24;
    const Model dino = thin(build(config));
    CHECK(row(dino, "embeddings.patch_embeddings.projection").m == 16);
    CHECK(row(dino, "embeddings.patch_embeddings.projection").k == 192);
    CHECK(row(dino, "encoder.layer.1.mlp.fc1").m == 17);
    CHECK(row(dino, "encoder.layer.1.mlp.fc1").n == 96);
    CHECK(row(dino, "classifier").m == 1);
    CHECK(row(dino, "classifier").k == 48);  // the mean of the patches beside the class token
    CHECK(row(dino, "encoder.layer.1.attention.attention.key").inputs == Strings{"encoder.layer.1.norm1"});

    const Model swin = thin(build(swin_config()));
    CHECK(row(swin, "encoder.layers.0.blocks.0.intermediate.dense").m == 64);
    CHECK(row(swin, "encoder.layers.0.blocks.0.intermediate.dense").n == 40);
    CHECK(row(swin, "encoder.layers.0.downsample.reduction").k == 64);
    CHECK(row(swin, "encoder.layers.0.downsample.reduction").inputs == Strings{"encoder.layers.0.downsample.norm"});
    CHECK(row(swin, "encoder.layers.1.blocks.1.output.dense").m == 16);
    CHECK(row(swin, "encoder.layers.1.blocks.1.output.dense").n == 32);

    const Model beit = thin(build(image_config("beit", "BeitForImageClassification")));
    CHECK_FALSE(row(beit, "encoder.layer.0.attention.attention.key").bias);
    CHECK(row(beit, "encoder.layer.0.attention.attention.query").bias);
}

TEST_CASE("families: each tower has its own activation, and norms before its parts") {
    const Model clip = thin(build(towers("clip", "CLIPModel")));
    const std::string text = "text_model.encoder.layers.1.", image = "vision_model.encoder.layers.1.";
    CHECK(row(clip, text + "mlp.fc1").activation == Activation::kQuickGelu);
    CHECK(row(clip, text + "mlp.fc1").inputs == Strings{text + "layer_norm2"});
    CHECK(row(clip, image + "self_attn.q_proj").inputs == Strings{image + "layer_norm1"});
    CHECK(row(clip, image + "mlp.fc1").m == 17);
    CHECK(row(clip, "visual_projection").m == 1);
    CHECK(row(clip, "text_projection").k == 16);
    const Model siglip = thin(build(towers("siglip", "SiglipModel")));
    CHECK(row(siglip, text + "mlp.fc1").activation == Activation::kGeluTanh);
    CHECK(row(siglip, "vision_model.head.attention.in_proj").n == 72);
    CHECK(row(siglip, "vision_model.head.mlp.fc1").inputs == Strings{"vision_model.head.layernorm"});
}

TEST_CASE("families: a tower without its tables reads rows of its blocks' width") {
    const json whole = config_of("clip_text_model", "CLIPTextModel");
    TensorList tensors;
    const Graph graph = build(whole).graph;
    for (const Node& node : graph.nodes) {
        if (node.name.find(".layers.") == std::string::npos || node.weight.empty()) continue;
        const bool linear = node.op == NodeOp::kLinear, down = node.name.ends_with("fc2");
        tensors.add(node.weight, linear ? TensorList::Shape{node.features, down ? 40 : 64} : TensorList::Shape{64});
        tensors.add(node.bias, {node.features});
    }
    const json bare = {{"model_type", "clip_text_model"}, {"hidden_act", "gelu"}};
    const Model text = thin(build(bare, &tensors));
    const std::string block = "text_model.encoder.layers.0.";
    CHECK(row(text, block + "self_attn.q_proj").inputs == Strings{block + "layer_norm1"});
    CHECK(row(text, block + "mlp.fc1").activation == Activation::kGelu);
}

TEST_CASE("families: norms of sound stand before or behind") {
    json config = sound_config("wav2vec2", "Wav2Vec2ForCTC");
    const std::string second = "encoder.layers.1.attention.k_proj";
    CHECK(row(thin(build(config)), second).inputs == Strings{"encoder.layers.0.final_layer_norm"});
    CHECK(row(thin(build(config)), "feature_projection.projection").k == 20);
    config["do_stable_layer_norm"] = true;
    CHECK(row(thin(build(config)), second).inputs == Strings{"encoder.layers.1.layer_norm"});
    CHECK(row(thin(build(config)), "lm_head").inputs == Strings{"encoder.layer_norm"});

    // Names do not tell which of the two it is.
    const TensorList tensors = tensors_of(build(config).graph);
    const FamilyNetwork named = must(build_network(nullptr, &tensors, {}));
    CHECK(named.model_type == "wav2vec2");
    CHECK(row(thin(named), second).input_unknown);
    CHECK(row(thin(named), "encoder.layers.1.feed_forward.output_dense").inputs ==
          Strings{"encoder.layers.1.feed_forward.intermediate_dense"});
}

TEST_CASE("families: patches of DINOv2 have 14 pixels, with registers 16, where nobody says it") {
    json config = config_of("dinov2", "Dinov2Model");
    CHECK(row(thin(build(config)), "encoder.layer.0.attention.attention.query").m == 1 + 16 * 16);
    config["model_type"] = "dinov2_with_registers";
    CHECK(row(thin(build(config)), "encoder.layer.0.attention.attention.query").m == 1 + 14 * 14 + 4);
}

TEST_CASE("families: timm's names tell a ViT, and what they do not tell is not claimed") {
    TensorList tensors;
    const auto linear = [&](const std::string& name, std::int64_t n, std::int64_t k) {
        tensors.add(name + ".weight", {n, k});
        tensors.add(name + ".bias", {n});
    };
    tensors.add("patch_embed.proj.weight", {24, 3, 8, 8});
    for (const std::string block : {"blocks.0.", "blocks.1."}) {
        for (const std::string norm : {"norm1", "norm2"}) {
            tensors.add(block + norm + ".weight", {24});
            tensors.add(block + norm + ".bias", {24});
        }
        linear(block + "attn.qkv", 72, 24);
        linear(block + "attn.proj", 24, 24);
        linear(block + "mlp.fc1", 96, 24);
        linear(block + "mlp.fc2", 24, 96);
    }
    tensors.add("norm.weight", {24});
    linear("head", 5, 24);
    const FamilyNetwork vit = must(build_network(nullptr, &tensors, {}));
    CHECK(vit.model_type == "timm's ViT");
    CHECK(row(thin(vit), "blocks.1.attn.qkv").inputs == Strings{"blocks.1.norm1"});
    CHECK(row(thin(vit), "blocks.1.attn.proj").input_unknown);
    CHECK(row(thin(vit), "blocks.1.mlp.fc1").activation == Activation::kGelu);
    CHECK(mentions(row(thin(vit), "blocks.1.mlp.fc1").assumptions, "by its names"));

    tensors.add("norm_pre.weight", {24});  // CLIP's, whose activation is one of two
    CHECK(row(thin(must(build_network(nullptr, &tensors, {}))), "blocks.1.mlp.fc1").activation == Activation::kNone);
    linear("blocks.0.mlp.fc2", 24, 48);  // half of what the first linear yields: a gate
    linear("blocks.1.mlp.fc2", 24, 48);
    const Model gated = thin(must(build_network(nullptr, &tensors, {})));
    CHECK(row(gated, "blocks.1.mlp.fc1").activation == Activation::kNone);
    CHECK(row(gated, "blocks.1.mlp.fc2").input_unknown);
}
