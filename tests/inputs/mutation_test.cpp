// Damaged files: every truncation and, at every byte, a few flips. Whatever comes in, a reader answers with a model or
// with one line.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "inputs/benchdnn_layers.h"
#include "inputs/gguf/model.h"
#include "inputs/layer_lists/csv_layers.h"
#include "inputs/layer_lists/json_layers.h"
#include "inputs/linear_tensors.h"
#include "inputs/model_config.h"
#include "inputs/read_model.h"
#include "inputs/safetensors.h"
#include "inputs/tensor_values.h"
#include "inputs/verbose_layers.h"
#include "tests/inputs/gguf_builder.h"
#include "tests/inputs/safetensors_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;

namespace {

constexpr unsigned kSeed = 20240611;

template <typename Visit>
void for_each_mutation(const std::string& bytes, Visit visit) {
    std::mt19937 random(kSeed);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        visit(bytes.substr(0, at));
        visit(bytes.substr(0, at) + bytes.substr(at + 1));
        std::string mutated = bytes;
        for (const unsigned flip : {1u, 0x80u, 1u + static_cast<unsigned>(random() % 255)}) {
            mutated[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
            visit(mutated);
        }
        for (const char c : {'"', ',', '\n', '{', ']', '9', '-', '\0'}) {
            mutated[at] = c;
            visit(mutated);
        }
    }
}

// CHECK for the ones that fail only: a hundred thousand passing assertions would be most of the time.
template <typename T>
void check_answer(const Result<T>& result, const std::string& input) {
    const Status& status = result.status();
    const bool as_promised = result.ok() ? status.ok() && status.message().empty()
                                         : !status.message().empty() && internal::is_printable(status.message());
    if (!as_promised) {
        INFO(internal::quote(input) << " -> " << internal::quote(status.message()));
        CHECK(as_promised);
    }
}

}  // namespace

TEST_CASE("mutation: csv") {
    const std::string text =
        "# c\r\nname,m,k,n,count,op,act,bias,inputs\n\"a "
        "\"\"b\"\"\",128,768,3072,12,linear,gelu,1,\nnorm,1,2,2,,layernorm,,0,\nfc,1,2,3,1,,,true,norm\n";
    REQUIRE(parse_csv_layers(text, "x.csv").ok());
    for_each_mutation(text,
                      [](const std::string& mutated) { check_answer(parse_csv_layers(mutated, "x.csv"), mutated); });
}

TEST_CASE("mutation: json") {
    const std::string text =
        R"({"model":"t\u00e9","layers":[{"name":"a","op":"layernorm","m":128,"k":2,"n":2,"count":1,"act":"none","bias":true,"inputs":[]},)"
        R"({"name":"b","m":1,"k":2,"n":3,"inputs":["a"]}]})";
    REQUIRE(parse_json_layers(text, "x.json").ok());
    for_each_mutation(text,
                      [](const std::string& mutated) { check_answer(parse_json_layers(mutated, "x.json"), mutated); });
}

TEST_CASE("mutation: problems and logs of oneDNN") {
    const std::string problems = "--reset --dt=f32 --mb=2\nmb8ic64ih2oc128n\"a*3\"\n2x3x4:1x4x5:2x3x5_nb\n";
    REQUIRE(parse_benchdnn_layers(problems, "x").ok());
    for_each_mutation(problems,
                      [](const std::string& mutated) { check_answer(parse_benchdnn_layers(mutated, "x"), mutated); });
    const std::string log =
        "onednn_verbose,v1,primitive,exec,cpu,matmul,a,undef,src:f32 wei:f32 bia:f32,attr-post-ops:eltwise_relu,,"
        "2x3:3x4,0.1\ndnnl_verbose,exec,cpu,inner_product,a,forward,src_f32 wei_f32,,,mb2ic3oc4,0.1\n";
    REQUIRE(parse_verbose_layers(log, "x").ok());
    for_each_mutation(log,
                      [](const std::string& mutated) { check_answer(parse_verbose_layers(mutated, "x"), mutated); });
}

TEST_CASE("mutation: configurations and indexes") {
    const std::string config =
        R"({"architectures":["LlamaForCausalLM"],"head_dim":64,"hidden_act":"silu","hidden_size":64,"rms_norm_eps":1e-5,)"
        R"("intermediate_size":128,"model_type":"llama","num_attention_heads":4,"num_hidden_layers":2,"vocab_size":99})";
    REQUIRE(read_model_config(config, "config.json", {4}).ok());
    for_each_mutation(config, [](const std::string& mutated) {
        check_answer(read_model_config(mutated, "config.json", {4}), mutated);
    });
    const test::TempFolder folder;
    folder.write("a", test::safetensors_bytes({{"x.weight", {2, 2}, "I8"}, {"x.weight_scale", {2, 1}}}));
    const std::string index = R"({"weight_map":{"x.weight":"a","x.weight_scale":"a"}})";
    const std::string quantization = R"({"quantization_config":{"ignore":["y","re:z.*[0-9]+"]}})";
    const ReadOptions options = {.tokens = 4, .skip = {}};
    folder.write("config.json", quantization);
    const auto path = folder.write("model.safetensors.index.json", index);
    REQUIRE(read_model(path, options).ok());
    for_each_mutation(quantization, [&](const std::string& mutated) {
        folder.write("config.json", mutated);
        check_answer(read_model(path, options), mutated);
    });
    folder.write("config.json", quantization);
    for_each_mutation(index, [&](const std::string& mutated) {
        folder.write("model.safetensors.index.json", mutated);
        check_answer(read_model(path, options), mutated);
    });
}

TEST_CASE("mutation: gguf") {
    const std::string bytes = test::GgufBuilder()
                                  .word("general.architecture", "qwen2")
                                  .u32("qwen2.block_count", 1)
                                  .u32("qwen2.attention.head_count", 2)
                                  .words("tokenizer.ggml.tokens", {"a", "b"})
                                  .blocks("token_embd.weight", {1, 32}, 8, 32, 34)
                                  .blocks("blk.0.attn_q.weight", {2, 32}, 2, 32, 18)
                                  .floats("blk.0.attn_q.bias", {2})
                                  .bytes();
    const test::TempFolder folder;
    const ReadOptions options = {.tokens = 4, .skip = {}};
    REQUIRE(read_model(folder.write("x.gguf", bytes), options).ok());
    for_each_mutation(bytes, [&](const std::string& mutated) {
        const auto path = folder.write("x.gguf", mutated);
        check_answer(read_model(path, options), mutated);
        const Result<GgufModel> model = GgufModel::open(path);
        check_answer(model, mutated);
        if (!model.ok()) return;
        for (const TensorInfo& tensor : model->tensors())
            if (has_values(tensor)) CHECK(values_of(tensor).size() <= 4 * mutated.size());
    });
}

TEST_CASE("mutation: safetensors") {
    const std::string bytes = test::safetensors_bytes({{"wte.weight", {3, 2}},
                                                       {"layer.0.fc.bias", {2}, "F16"},
                                                       {"layer.0.fc.weight", {2, 3}, "BF16"},
                                                       {"norm.weight", {2}},
                                                       {"ids", {1}, "I64"}});
    const test::TempFolder folder;
    const ReadOptions options = {.tokens = 4, .skip = {}};
    REQUIRE(read_model(folder.write("x.safetensors", bytes), options).ok());
    for_each_mutation(bytes, [&](const std::string& mutated) {
        const auto path = folder.write("x.safetensors", mutated);
        check_answer(read_model(path, options), mutated);
        Result<SafetensorsFile> file = SafetensorsFile::open(path);
        check_answer(file, mutated);
        if (!file.ok()) return;
        // What was accepted can be read to the last byte: address sanitizer watches.
        unsigned sum = 0;
        for (const TensorInfo& tensor : file->tensors()) {
            for (const std::byte byte : tensor.data)
                sum += std::to_integer<unsigned>(byte);
        }
        CHECK(sum <= 255u * mutated.size());
    });
}
