// What the keys of a GGUF file say of its network, and what is taken for granted without them.
#include "inputs/gguf/config.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/inputs/gguf_networks.h"

using namespace octile;
using namespace octile::test;

TEST_CASE("gguf: an encoder, pooled as its keys say") {
    const TempFolder folder;
    const auto build = [](std::uint32_t pooling) {
        GgufBuilder builder;
        builder.word("general.architecture", "bert")
            .u32("bert.embedding_length", 16)
            .u32("bert.block_count", 1)
            .u32("bert.feed_forward_length", 32)
            .u32("bert.attention.head_count", 1)
            .u32("bert.context_length", 64)
            .u32("bert.pooling_type", pooling)
            .flag("bert.attention.causal", false)
            .f32("bert.attention.layer_norm_epsilon", 1e-12f)
            .floats("token_embd.weight", {8, 16})
            .floats("token_types.weight", {2, 16})
            .floats("position_embd.weight", {62, 16});
        for (const char* norm : {"token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"})
            builder.floats(std::string(norm) + ".weight", {16}, 1).floats(std::string(norm) + ".bias", {16});
        for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"})
            builder.floats(std::string("blk.0.") + name + ".weight", {16, 16})
                .floats(std::string("blk.0.") + name + ".bias", {16});
        return builder.floats("blk.0.ffn_up.weight", {32, 16})
            .floats("blk.0.ffn_up.bias", {32})
            .floats("blk.0.ffn_down.weight", {16, 32})
            .floats("blk.0.ffn_down.bias", {16});
    };
    const Checkpoint first = open_gguf(folder, build(2));
    const CheckpointNetwork network = network_of(first);
    CHECK(all(network.obstacles) == "");
    REQUIRE(network.graph);
    CHECK(network.graph->outputs == std::vector<std::string>{"embedding"});
    const auto pool = std::find_if(network.graph->nodes.begin(), network.graph->nodes.end(),
                                   [](const Node& node) { return node.op == NodeOp::kPool; });
    REQUIRE(pool != network.graph->nodes.end());
    CHECK(pool->pooling == Pooling::kFirst);
    CHECK(pool->assumptions.empty());
    // No key says whether it is normalized.
    CHECK(network.graph->nodes.back().assumptions == std::vector<std::string>{"normalization"});

    // As converters write them since they know of any.
    for (const std::uint32_t width : {16u, 8u}) {
        GgufBuilder builder = build(1);
        builder.u32("bert.attention.key_length", width).u32("bert.attention.value_length", width);
        const Checkpoint checkpoint = open_gguf(folder, builder, "width.gguf");
        const std::string obstacles = all(network_of(checkpoint).obstacles);
        CHECK((width == 16 ? obstacles == "" : has(obstacles, "bert.attention.key_length: expected 16, found 8")));
    }

    const Checkpoint rank = open_gguf(folder, build(4), "rank.gguf");
    CHECK(has(all(network_of(rank).obstacles), "rank.gguf: bert.pooling_type: expected 0 (none), 1 (mean)"));
}

TEST_CASE("gguf: what keys ask for") {
    const TempFolder folder;
    struct Case {
        const char* architecture;
        std::function<void(GgufBuilder&)> add;
        std::vector<std::string> obstacles;
        std::vector<std::string> notes = {};
    };
    const std::vector<Case> cases = {
        {"llama",
         [](GgufBuilder& b) { b.u32("llama.rope.dimension_count", 20); },
         {"llama.rope.dimension_count: expected at most 16, the width of a head, found 20"}},
        {"llama", [](GgufBuilder& b) { b.u32("llama.rope.dimension_count", 16); }, {}},
        {"llama",
         [](GgufBuilder& b) { b.word("llama.rope.scaling.type", "odd").f32("llama.rope.scaling.factor", 4); },
         {"net.gguf: llama.rope.scaling.type: ", "odd"}},
        {"llama", [](GgufBuilder& b) { b.word("llama.rope.scaling.type", "none"); }, {}},
        {"llama",
         [](GgufBuilder& b) { b.u32("llama.attention.value_length", 8); },
         {"llama.attention.value_length: expected as many as keys have, 16, found 8"}},
        {"llama", [](GgufBuilder& b) { b.flag("llama.attention.causal", false); }, {"llama.attention.causal: "}},
        {"llama", [](GgufBuilder& b) { b.flag("llama.attention.causal", true); }, {}},
        {"llama", [](GgufBuilder& b) { b.u32("llama.attention.sliding_window", 128); }, {}},
        {"llama", [](GgufBuilder& b) { b.u32("llama.expert_count", 0); }, {}},
        {"llama",
         [](GgufBuilder& b) { b.u32("llama.expert_count", 8); },
         {"llama.expert_count: expected a key", "--ignore-key llama.expert_count"},
         {"net.gguf: llama.expert_count: no key that Octile knows of \"llama\""}},
        {"llama",
         [](GgufBuilder& b) { b.f32("llama.attention.scale", 0.1f).word("vendor.something", "x"); },
         {"llama.attention.scale"},
         {"llama.attention.scale"}},
        {"llama", [](GgufBuilder& b) { b.word("llama.tensor_data_layout", "Meta AI original pth"); }, {}},
        {"llama",
         [](GgufBuilder& b) { b.word("llama.rope.freq_base", "x"); },
         {"llama.rope.freq_base: expected a number"}},
        {"qwen3",
         [](GgufBuilder& b) {
             b.floats("rope_freqs.weight", {8}, {1, 1, 1, 1, 1, 1, 1, 1});
         },
         {}},
        {"qwen2",
         [](GgufBuilder& b) {
             b.floats("rope_freqs.weight", {8}, {1, 1, 1, 1, 1, 1, 1, 2.5f});
         },
         {"rope_freqs.weight: "}},
    };
    for (const Case& one : cases) {
        GgufBuilder builder = gguf_decoder(one.architecture);
        one.add(builder);
        const Checkpoint checkpoint = open_gguf(folder, builder);
        const CheckpointNetwork network = network_of(checkpoint);
        const std::string obstacles = all(network.obstacles), notes = all(network.model.notes);
        INFO(one.architecture << "\n" << obstacles << notes);
        if (one.obstacles.empty()) CHECK(obstacles == "");
        CHECK(network.graph.has_value() == one.obstacles.empty());
        for (const std::string& word : one.obstacles)
            CHECK(has(obstacles, word));
        if (one.notes.empty()) CHECK(notes == "");
        for (const std::string& word : one.notes)
            CHECK(has(notes, word));
    }
    GgufBuilder builder = gguf_decoder("llama");
    builder.u32("llama.expert_count", 8);
    const Checkpoint checkpoint = open_gguf(folder, builder);
    CHECK(network_of(checkpoint, {"llama.expert_count"}).graph);
}

TEST_CASE("gguf: what no key says is what llama.cpp takes for granted") {
    const TempFolder folder;
    const auto document_of = [&](const GgufBuilder& builder) {
        const Result<GgufModel> model = GgufModel::open(folder.write("net.gguf", builder.bytes()));
        REQUIRE(model.ok());
        const Result<GgufConfig> config = gguf_config(model.value(), {});
        INFO(config.status().message());
        REQUIRE(config.ok());
        return config->document;
    };
    const auto decoder = [](const std::string& architecture) {
        const std::string at = architecture + ".";
        GgufBuilder builder;
        builder.word("general.architecture", architecture)
            .u32(at + "embedding_length", 16)
            .u32(at + "block_count", 7)
            .u32(at + "attention.head_count", 4);
        return builder;
    };
    // Defaults of transformers' classes are others: 1,000,000, 4 heads of keys and heads of 256.
    const nlohmann::json bare = document_of(decoder("gemma3"));
    CHECK(bare["rope_theta"] == 10000);
    CHECK(bare["num_key_value_heads"] == 4);
    CHECK(bare["head_dim"] == 4);
    CHECK(bare["query_pre_attn_scalar"] == 4);
    CHECK_FALSE(bare.contains("sliding_window"));
    const nlohmann::json none(std::vector<std::string>(7, "full_attention"));
    CHECK(bare["layer_types"] == none);
    CHECK(document_of(decoder("gemma3").u32("gemma3.attention.sliding_window", 0))["layer_types"] == none);

    const auto windows = [&](GgufBuilder builder, const std::string& architecture) {
        builder.u32(architecture + ".attention.sliding_window", 512);
        const nlohmann::json document = document_of(builder);
        CHECK(document["sliding_window"] == 512);
        std::string text;
        for (const nlohmann::json& type : document["layer_types"])
            text += type == "sliding_attention" ? "w" : "f";
        return text;
    };
    CHECK(windows(decoder("gemma3"), "gemma3") == "wwwwwfw");
    CHECK(windows(decoder("gemma2"), "gemma2") == "wfwfwfw");
    const std::string key = "gemma3.attention.sliding_window_pattern";
    CHECK(windows(decoder("gemma3").u32(key, 3), "gemma3") == "wwfwwfw");
    CHECK(windows(decoder("gemma3").u32(key, 1), "gemma3") == "fffffff");
    CHECK(windows(decoder("gemma3").u32(key, 0), "gemma3") == "wwwwwww");
    CHECK(windows(decoder("gemma3").flags(key, {true, false, true, true, false, true, true}), "gemma3") == "wfwwfww");

    // A window of 0 is none: the converter writes it for every phi3 without one.
    const nlohmann::json phi3 = document_of(decoder("phi3").u32("phi3.attention.sliding_window", 0));
    CHECK_FALSE(phi3.contains("sliding_window"));
    CHECK(document_of(decoder("llama").u32("llama.attention.sliding_window", 0))["model_type"] == "llama");
    CHECK(document_of(decoder("llama").u32("llama.attention.sliding_window", 9))["model_type"] == "mistral");
}

TEST_CASE("gguf: llama3's factors are recognized") {
    const TempFolder folder;
    // Of head_dim 16, theta 500000, factor 8, low 1, high 4, 8192 tokens, as torch 2.15 computes them in f32:
    // wavelengths of 6.3, 32.4, 167, 862, 4443, 22911, 118143 and 609226 tokens.
    const std::vector<float> factors = {1, 1, 1, 1, 2.69453f, 8, 8, 8};
    for (const float change : {1.0f, 1.001f}) {
        GgufBuilder builder = gguf_decoder("llama");
        builder.f32("llama.rope.freq_base", 500000);
        std::vector<float> changed = factors;
        changed[4] *= change;
        builder.floats("rope_freqs.weight", {8}, changed);
        const Checkpoint checkpoint = open_gguf(folder, builder);
        const CheckpointNetwork network = network_of(checkpoint);
        INFO(all(network.obstacles));
        REQUIRE(network.graph.has_value() == (change == 1));
        if (!network.graph) continue;
        for (const Node& node : network.graph->nodes) {
            if (node.op != NodeOp::kAttention) continue;
            REQUIRE(node.rotary);
            CHECK(node.rotary->theta == 500000);
            CHECK(node.rotary->scaling == RotaryScaling{8, 1, 4, 8192});
        }
        CHECK(has(all(network.model.notes),
                  "net.gguf: rope_freqs.weight: the factors are those of llama3's scaling by 8"));
    }
}
