// GGUF files as networks: names, what a converter changed, parts, and what is refused.
#include "inputs/gguf/model.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/limits.h"
#include "inputs/checkpoint_lookup.h"
#include "inputs/read_model.h"
#include "inputs/tensor_values.h"
#include "tests/inputs/gguf_networks.h"
#include "tests/inputs/status_checks.h"

using namespace octile;
using namespace octile::test;

TEST_CASE("gguf: a decoder by transformers' names") {
    const TempFolder folder;
    const Checkpoint checkpoint = open_gguf(folder, gguf_decoder("llama"));
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
    const Checkpoint llama = open_gguf(folder, build("llama"));
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
    const Checkpoint qwen = open_gguf(folder, build("qwen2"), "qwen.gguf");
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
    const Checkpoint checkpoint = open_gguf(folder, builder);
    // Exact where the stored number is 0.5 or more; below, the difference has a bit less than f32 needs.
    CHECK(values_of(*checkpoint.find("model.norm.weight")) == std::vector<float>{-0.25f, 0, 0.5f, 0.1f - 1, 2});
    CHECK(values_of(*checkpoint.find("model.layers.0.self_attn.q_norm.weight")) == std::vector<float>{0.25f, 0.25f});
    CHECK(values_of(*checkpoint.find("model.layers.0.post_feedforward_layernorm.weight")) == std::vector<float>{1, 1});
    CHECK(checkpoint.find("model.layers.0.self_attn.o_proj.weight")->shift == 0);
}

TEST_CASE("gguf: a tied head, in blocks") {
    const TempFolder folder;
    const Checkpoint checkpoint = open_gguf(folder, gguf_decoder_in_blocks());
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

TEST_CASE("gguf: an architecture that is not known is its linears") {
    const TempFolder folder;
    GgufBuilder builder;
    builder.word("general.architecture", "mamba")
        .floats("token_embd.weight", {8, 4})
        .floats("blk.0.ssm_in.weight", {6, 4})
        .floats("blk.0.ssm_in.bias", {6})
        .floats("blk.0.ssm_conv1d.weight", {2, 6, 1})
        .floats("output.weight", {8, 4});
    const Checkpoint checkpoint = open_gguf(folder, builder);
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
    const Checkpoint checkpoint = open_gguf(folder, builder);
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
