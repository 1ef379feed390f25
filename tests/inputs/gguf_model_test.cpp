// GGUF files as networks: names, what a converter changed, parts, and what is refused.
#include "inputs/gguf/model.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/limits.h"
#include "inputs/checkpoint_lookup.h"
#include "inputs/checkpoint_network.h"
#include "inputs/gguf/config.h"
#include "inputs/read_model.h"
#include "inputs/tensor_values.h"
#include "tests/inputs/gguf_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using namespace octile::test;

namespace {

Checkpoint open(const TempFolder& folder, const GgufBuilder& builder, const std::string& name = "net.gguf") {
    Result<Checkpoint> checkpoint = Checkpoint::open(folder.write(name, builder.bytes()), InputFormat::kGguf);
    INFO(checkpoint.status().message());
    REQUIRE(checkpoint.ok());
    return std::move(checkpoint).value();
}

CheckpointNetwork network_of(const Checkpoint& checkpoint, std::set<std::string, std::less<>> ignored = {}) {
    ReadOptions options;
    options.tokens = 5;
    options.ignore_keys = std::move(ignored);
    Result<CheckpointNetwork> network = read_network(checkpoint, options);
    INFO(network.status().message());
    REQUIRE(network.ok());
    return std::move(network).value();
}

std::string all(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines)
        text += line + "\n";
    return text;
}

bool has(const std::string& text, const std::string& word) {
    return text.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("gguf: a decoder by transformers' names") {
    const TempFolder folder;
    const Checkpoint checkpoint = open(folder, gguf_decoder("llama"));
    for (const char* name : {"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight",
                             "model.layers.1.self_attn.q_proj.weight", "model.layers.1.self_attn.o_proj.weight",
                             "model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight",
                             "model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.down_proj.weight"}) {
        INFO(name);
        CHECK(checkpoint.find(name) != nullptr);
    }
    const CheckpointNetwork network = network_of(checkpoint);
    CHECK(all(network.obstacles) == "");
    CHECK(all(network.model.notes) == "");
    REQUIRE(network.graph);
    CHECK(network.model.name == "net");
    CHECK(network.tensors.layers.size() == 2 * 9 + 2);
    CHECK(network.model.left_out.size() == 1);
    const auto attention = std::find_if(network.graph->nodes.begin(), network.graph->nodes.end(),
                                        [](const Node& node) { return node.op == NodeOp::kAttention; });
    REQUIRE(attention != network.graph->nodes.end());
    CHECK(attention->heads == 2);
    CHECK(attention->key_heads == 1);
}

TEST_CASE("gguf: rows of llama's queries and keys are put in order, whichever part is read") {
    const TempFolder folder;
    // Two heads of four rows; each row holds its number in the file.
    std::vector<float> rows;
    for (int row = 0; row < 8; row++)
        rows.insert(rows.end(), 3, static_cast<float>(row));
    const auto build = [&](const std::string& architecture) {
        GgufBuilder builder;
        builder.word("general.architecture", architecture).u32(architecture + ".attention.head_count", 2);
        return builder.floats("blk.0.attn_q.weight", {8, 3}, rows)
            .floats("blk.0.attn_q.bias", {8}, {0, 1, 2, 3, 4, 5, 6, 7})
            .floats("blk.0.attn_v.weight", {8, 3}, rows);
    };
    const Checkpoint llama = open(folder, build("llama"));
    const TensorInfo& q = *llama.find("model.layers.0.self_attn.q_proj.weight");
    CHECK_FALSE(q.type.has_value());
    const std::vector<float> values = values_of(q);
    const std::vector<float> order = {0, 2, 1, 3, 4, 6, 5, 7};
    for (std::size_t i = 0; i < values.size(); i++)
        CHECK(values[i] == order[i / 3]);
    CHECK(values_of(*llama.find("model.layers.0.self_attn.q_proj.bias")) == order);
    CHECK(values_of(*llama.find("model.layers.0.self_attn.v_proj.weight")) == rows);
    for (const std::int64_t stride : {1, 2, 3, 5}) {
        for (std::int64_t first = 0; first < 10; first++) {
            std::vector<float> part(static_cast<std::size_t>((24 - first + stride - 1) / stride));
            read_values(q, first, stride, part);
            for (std::size_t i = 0; i < part.size(); i++)
                CHECK(part[i] == values[static_cast<std::size_t>(first) + i * static_cast<std::size_t>(stride)]);
        }
    }
    const TensorLookup lookup = lookup_in(llama);
    const std::optional<TensorSource> source = lookup("model.layers.0.self_attn.q_proj.weight");
    REQUIRE(source);
    CHECK(static_cast<const float*>(source->view.data)[3] == 2);
    // Other architectures have them in order.
    const Checkpoint qwen = open(folder, build("qwen2"), "qwen.gguf");
    CHECK(values_of(*qwen.find("model.layers.0.self_attn.q_proj.weight")) == rows);
    CHECK(qwen.find("model.layers.0.self_attn.q_proj.weight")->type == DataType::kF32);
}

TEST_CASE("gguf: gemma's norms are less by 1") {
    const TempFolder folder;
    GgufBuilder builder;
    builder.word("general.architecture", "gemma3")
        .floats("output_norm.weight", {5}, {0.75f, 1.0f, 1.5f, 0.1f, 3.0f})
        .floats("blk.0.attn_q_norm.weight", {2}, {1.25f, 1.25f})
        .floats("blk.0.post_ffw_norm.weight", {2}, {2, 2})
        .floats("blk.0.attn_output.weight", {2, 2});
    const Checkpoint checkpoint = open(folder, builder);
    // Exact where the stored number is 0.5 or more; below, the difference has a bit less than f32 needs.
    CHECK(values_of(*checkpoint.find("model.norm.weight")) == std::vector<float>{-0.25f, 0, 0.5f, 0.1f - 1, 2});
    CHECK(values_of(*checkpoint.find("model.layers.0.self_attn.q_norm.weight")) == std::vector<float>{0.25f, 0.25f});
    CHECK(values_of(*checkpoint.find("model.layers.0.post_feedforward_layernorm.weight")) == std::vector<float>{1, 1});
    CHECK(checkpoint.find("model.layers.0.self_attn.o_proj.weight")->shift == 0);
}

TEST_CASE("gguf: a tied head, in blocks") {
    const TempFolder folder;
    const Checkpoint checkpoint = open(folder, gguf_decoder_in_blocks());
    const CheckpointNetwork network = network_of(checkpoint);
    CHECK(all(network.obstacles) == "");
    REQUIRE(network.graph);
    CHECK(has(all(network.model.notes), "net.gguf: linears come quantized (7 of Q4_0, 1 of Q8_0)"));
    const auto head = std::find_if(network.tensors.layers.begin(), network.tensors.layers.end(),
                                   [](const LinearTensor& tensor) { return tensor.layer.name == "lm_head"; });
    REQUIRE(head != network.tensors.layers.end());
    CHECK(head->weight.tensor->dtype == "Q8_0");
    CHECK(head->weight.bytes() == 16 * 34);
    CHECK(head->weight.rows(3, 2).span().size() == 2 * 34);
    CHECK_FALSE(head->weight.in_place());
    const std::vector<float> table = values_of(*checkpoint.find("model.embed_tokens.weight"));
    CHECK(values_of(head->weight.rows(3, 2)) == std::vector<float>(table.begin() + 96, table.begin() + 160));
    // Of f16 0x2121 and levels 0x21.
    CHECK(table[0] == 33 * 0.010017395f);
}

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
    const Checkpoint first = open(folder, build(2));
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
        const Checkpoint checkpoint = open(folder, builder, "width.gguf");
        const std::string obstacles = all(network_of(checkpoint).obstacles);
        CHECK((width == 16 ? obstacles == "" : has(obstacles, "bert.attention.key_length: expected 16, found 8")));
    }

    const Checkpoint rank = open(folder, build(4), "rank.gguf");
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
        const Checkpoint checkpoint = open(folder, builder);
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
    const Checkpoint checkpoint = open(folder, builder);
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
        const Checkpoint checkpoint = open(folder, builder);
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

TEST_CASE("gguf: an architecture that is not known is its linears") {
    const TempFolder folder;
    GgufBuilder builder;
    builder.word("general.architecture", "mamba")
        .floats("token_embd.weight", {8, 4})
        .floats("blk.0.ssm_in.weight", {6, 4})
        .floats("blk.0.ssm_in.bias", {6})
        .floats("blk.0.ssm_conv1d.weight", {2, 6, 1})
        .floats("output.weight", {8, 4});
    const Checkpoint checkpoint = open(folder, builder);
    const CheckpointNetwork network = network_of(checkpoint);
    CHECK_FALSE(network.graph);
    CHECK(has(all(network.obstacles), "net.gguf: general.architecture: expected one of llama, qwen2"));
    REQUIRE(network.model.layers.size() == 2);
    CHECK(network.model.layers[0].name == "blk.0.ssm_in");
    CHECK(network.model.layers[0].bias);
    CHECK(network.model.layers[1].name == "output");
    CHECK(network.model.layers[1].input_unknown);
}

TEST_CASE("gguf: blocks that are not read") {
    const TempFolder folder;
    GgufBuilder builder = gguf_decoder("llama");
    builder.blocks("blk.0.extra.weight", {4, 256}, 16, 256, 66).blocks("blk.1.extra.weight", {4, 256}, 15, 256, 292);
    const Checkpoint checkpoint = open(folder, builder);
    std::vector<LeftOut> left = network_of(checkpoint).model.left_out;
    std::erase_if(left, [](const LeftOut& one) { return one.reason == LeftOutReason::kTable; });
    REQUIRE(left.size() == 2);
    CHECK(left[0].reason == LeftOutReason::kFourBit);
    CHECK(left[0].text == "IQ2_XXS, which is not read");
    CHECK(left[0].parameters == 1024);
    CHECK(left[1].reason == LeftOutReason::kDtype);
    CHECK(left[1].text == "Q8_K, which is not read");

    GgufBuilder most;
    most.word("general.architecture", "qwen2");
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"})
        most.blocks(std::string("blk.0.") + name + ".weight", {4, 256}, 16, 256, 66);
    const auto path = folder.write("iq.gguf", most.bytes());
    require_error(read_model(path, {.tokens = 2, .skip = {}}).status(), StatusCode::kParseError,
                  {"iq.gguf", "4 of 4 linears in the form IQ2_XXS", "llama.cpp"});
}

TEST_CASE("gguf: parts of a network") {
    const TempFolder folder;
    const auto part = [](std::uint16_t no, std::uint16_t count, const std::string& tensor, std::uint32_t all = 2) {
        GgufBuilder builder;
        builder.word("general.architecture", no == 0 ? "qwen2" : "none")
            .u16("split.no", no)
            .u16("split.count", count)
            .u32("split.tensors.count", all);
        return builder.floats(tensor, {4, 4}).bytes();
    };
    const auto first = folder.write("net-00001-of-00002.gguf", part(0, 2, "blk.0.attn_q.weight"));
    const auto second = folder.path() / "net-00002-of-00002.gguf";
    const auto read = [&](const std::filesystem::path& path) { return read_model(path, {.tokens = 2, .skip = {}}); };
    require_error(
        read(first).status(), StatusCode::kIoError,
        {"net-00001-of-00002.gguf: split.count: 2 parts make the network", "net-00002-of-00002.gguf", "No such"});
    folder.write("net-00002-of-00002.gguf", part(1, 2, "blk.0.attn_k.weight"));
    for (const auto& path : {first, second, folder.path()}) {
        INFO(path);
        const Result<Model> model = read(path);
        INFO(model.status().message());
        REQUIRE(model.ok());
        CHECK(model->name == "net");
        const auto linears = std::count_if(model->layers.begin(), model->layers.end(),
                                           [](const Layer& layer) { return layer.op == Op::kLinear; });
        CHECK(linears == 2);
    }
    const auto parse = StatusCode::kParseError;
    folder.write("net-00002-of-00002.gguf", part(0, 2, "blk.0.attn_k.weight"));
    require_error(read(first).status(), parse,
                  {"net-00002-of-00002.gguf: split.no: expected part 2 of 2, found part 1"});
    folder.write("net-00002-of-00002.gguf", part(1, 2, "blk.0.attn_q.weight"));
    require_error(read(first).status(), parse,
                  {"expected one tensor that is \"model.layers.0.self_attn.q_proj.weight\""});
    folder.write("net-00002-of-00002.gguf", part(1, 2, "blk.0.attn_k.weight"));
    require_error(read(folder.write("net-00001-of-00002.gguf", part(0, 2, "blk.0.attn_q.weight", 9))).status(), parse,
                  {"split.tensors.count: expected 9 tensors in all parts, found 2"});
    require_error(read(folder.write("other.gguf", part(0, 2, "x.weight"))).status(), parse,
                  {"other.gguf", "...-00001-of-00002.gguf"});
    require_error(read(folder.write("a-00001-of-00001.gguf", part(3, 2, "x.weight"))).status(), parse,
                  {"split.no", "found 3 of 2"});
    require_error(read(folder.write("a-00001-of-60000.gguf", part(0, 60000, "x.weight"))).status(), parse,
                  {"split.no", "at most 10000"});
}

TEST_CASE("gguf: files that are wrong as networks") {
    const TempFolder folder;
    const auto read = [&](const std::string& bytes, const std::string& name = "net.gguf") {
        return read_model(folder.write(name, bytes), {.tokens = 2, .skip = {}}).status();
    };
    const auto parse = StatusCode::kParseError;
    GgufBuilder adapter;
    adapter.word("general.architecture", "llama").word("general.type", "adapter");
    require_error(read(adapter.bytes()), parse, {"net.gguf: general.type", "adapter", "merge"});
    GgufBuilder heads;
    heads.word("general.architecture", "llama").floats("blk.0.attn_q.weight", {8, 4});
    require_error(read(heads.bytes()), parse, {"llama.attention.head_count", "no such key"});
    GgufBuilder odd;
    odd.word("general.architecture", "llama")
        .u32("llama.attention.head_count", 3)
        .floats("blk.0.attn_q.weight", {8, 4});
    require_error(read(odd.bytes()), parse, {"tensor \"blk.0.attn_q.weight\"", "rows of 3 heads", "found 8"});
    // Part of it may be asked for, which need not begin with a block.
    GgufBuilder bias;
    bias.floats("a.weight", {32, 4}).blocks("a.bias", {32}, 8, 32, 34);
    require_error(read(bias.bytes()), parse, {"\"a.bias\"", "expected floats for a bias, found blocks of Q8_0"});
    GgufBuilder none;
    none.word("general.architecture", "llama").words("tokenizer.ggml.tokens", {"a"});
    require_error(read(none.bytes()), parse, {"at least one 2-D *.weight", "among 0 tensors"});
    GgufBuilder number;
    number.u32("general.architecture", 3);
    require_error(read(number.bytes()), parse, {"general.architecture: expected a string, found 3"});
    require_error(read("<!DOCTYPE html><html>", "page.gguf"), parse, {"page.gguf: found an HTML page"});
    require_error(read("something else", "text.gguf"), parse, {"text.gguf: magic: expected GGUF, found \"some\""});
    require_error(read(gguf_decoder("llama").bytes(), "net.safetensors"), parse, {"net.safetensors", "--from gguf"});
    // Any name, by content.
    CHECK(read(gguf_decoder("llama").bytes(), "net.bin").ok());
}
