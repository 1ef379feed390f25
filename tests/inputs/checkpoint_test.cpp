// Weights in several files, and weights that came quantized.
#include "inputs/checkpoint.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "inputs/linear_tensors.h"
#include "inputs/read_model.h"
#include "inputs/tensor_values.h"
#include "tests/inputs/safetensors_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using octile::test::require_error;
using octile::test::safetensors_bytes;
using octile::test::TempFolder;
using octile::test::TestTensor;

namespace {

constexpr const char* kIndexName = "model.safetensors.index.json";
const ReadOptions kTokens = {.tokens = 4, .skip = {}};

// Two shards: a and b; c is in the second and not in the index.
void write_shards(const TempFolder& folder) {
    folder.write("model-1.safetensors", safetensors_bytes({{"layers.0.a.weight", {3, 2}}, {"layers.0.a.bias", {3}}}));
    folder.write("model-2.safetensors",
                 safetensors_bytes({{"layers.0.b.weight", {2, 3}}, {"layers.0.c.weight", {2, 2}}}));
}

const std::string kIndex = R"({"metadata":{"total_size":100},"weight_map":{"layers.0.a.weight":"model-1.safetensors",
    "layers.0.a.bias":"model-1.safetensors","layers.0.b.weight":"model-2.safetensors"}})";

// A W8A8 checkpoint: two int8 linears of [4, 8], a head in floating point.
std::vector<TestTensor> w8a8() {
    return {{"layers.0.q_proj.weight", {4, 8}, "I8"},
            {"layers.0.q_proj.weight_scale", {4, 1}, "BF16"},
            {"layers.0.k_proj.bias", {4}},
            {"layers.0.k_proj.weight", {4, 8}, "I8"},
            {"layers.0.k_proj.weight_scale", {1}},
            {"layers.0.k_proj.input_scale", {1}},
            {"lm_head.weight", {16, 8}, "F16"}};
}

std::string config(const std::string& ignore) {
    return R"({"model_type":"llama","quantization_config":{"quant_method":"compressed-tensors","format":"int-quantized",
        "config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":8,"type":"int"}}},"ignore":)" +
           ignore + "}}";
}

std::vector<Layer> layers_of(const Result<Model>& model) {
    INFO(model.status().message());
    REQUIRE(model.ok());
    return model.value().layers;
}

}  // namespace

TEST_CASE("checkpoint: an index gathers its shards") {
    const TempFolder folder;
    write_shards(folder);
    const auto index = folder.write(kIndexName, kIndex);
    const std::vector<std::string> assumed = {"a linear by its shape"};
    const std::vector<Layer> expected = {
        {.name = "layers.0.a", .m = 4, .k = 2, .n = 3, .bias = true, .assumptions = assumed},
        {.name = "layers.0.b", .m = 4, .k = 3, .n = 2, .input_unknown = true, .assumptions = assumed}};
    CHECK(layers_of(read_model(index, kTokens)) == expected);
    CHECK(layers_of(read_model(folder.path(), kTokens)) == expected);  // before any other file of the folder
    CHECK(layers_of(read_model(folder.write("other.json", kIndex), kTokens)) == expected);
    CHECK(read_model(index, kTokens).value().name == "model");
    require_error(read_model(index, {}).status(), StatusCode::kInvalidArgument, {"--tokens"});

    const Result<std::optional<Checkpoint>> weights = open_weights(folder.path(), {});
    REQUIRE(weights.ok());
    REQUIRE(weights.value());
    CHECK(weights.value()->tensors().size() == 3);
    CHECK(weights.value()->find("layers.0.b.weight") != nullptr);
    CHECK(weights.value()->find("layers.0.c.weight") == nullptr);
    CHECK_FALSE(open_weights(folder.write("net.csv", "name,m,k,n\n"), {}).value());
}

TEST_CASE("checkpoint: what is wrong with an index or a shard") {
    struct Case {
        std::string index;
        StatusCode code;
        std::vector<std::string> words;
    };
    const auto parse = StatusCode::kParseError;
    const auto map = [](const std::string& inside) { return R"({"weight_map":)" + inside + "}"; };
    for (const Case& bad : std::vector<Case>{
             {"", parse, {":1:1: ", "expected JSON"}},
             {"{\"weight_map\":", parse, {":1:", "expected JSON"}},
             {"[]", parse, {"$: expected an object"}},
             {"{}", parse, {"weight_map: ", "no such key"}},
             {map("[]"), parse, {"weight_map: expected an object, found an array"}},
             {map("{}"), parse, {"weight_map: expected at least one tensor"}},
             {map(R"({"a":3})"), parse, {"weight_map.\"a\": expected a string, found 3"}},
             {map(R"({"a":""})"), parse, {"weight_map.\"a\": expected the name of a file"}},
             {map(R"({"a":"../model-1.safetensors"})"), parse, {"expected the name of a file in the same folder"}},
             {map(R"({"a":"/etc/passwd"})"), parse, {"expected the name of a file in the same folder"}},
             {map(R"({"a":"x\u0000y"})"), parse, {"expected the name of a file in the same folder"}},
             {map(R"({"a":"model-3.safetensors"})"),
              StatusCode::kIoError,
              {"weight_map.\"a\": ", "model-3.safetensors: No such file"}},
             {map(R"({"a":"model-1.safetensors"})"), parse, {"weight_map.\"a\": expected the tensor in model-1"}},
             {map(R"({"a":"cut.safetensors"})"), parse, {"weight_map.\"a\": ", "cut.safetensors: ", "found 5"}},
             {map(std::string(100000, '[')), parse, {"levels of nesting"}},
         }) {
        INFO(bad.index.substr(0, 200));
        const TempFolder folder;
        write_shards(folder);
        folder.write("cut.safetensors", "12345");
        const auto path = folder.write(kIndexName, bad.index);
        const Status status = read_model(path, kTokens).status();
        require_error(status, bad.code, bad.words);
        CHECK(status.message().rfind(path.string(), 0) == 0);
    }
}

TEST_CASE("checkpoint: int8 weights with scales came quantized") {
    const TempFolder folder;
    folder.write("model.safetensors", safetensors_bytes(w8a8()));
    const auto forms = [&]() {
        std::vector<WeightForm> found;
        for (const Layer& layer : layers_of(read_model(folder.path(), kTokens)))
            found.push_back(layer.weights);
        return found;
    };
    using enum WeightForm;
    CHECK(forms() == std::vector{kInt8, kInt8, kFloat});  // no config.json
    for (const std::string ignore : {R"(["lm_head"])", R"(["other","re:lm_.*"])", R"(["re:.*head"])", R"(["re:lm"])"}) {
        INFO(ignore);
        folder.write("config.json", config(ignore));
        CHECK(forms() == std::vector{kInt8, kInt8, kKeptFloat});
    }
    for (const std::string ignore : {"[]", "null", R"(["head","re:head"])"}) {
        INFO(ignore);
        folder.write("config.json", config(ignore));
        CHECK(forms() == std::vector{kInt8, kInt8, kFloat});
    }
    folder.write("config.json", R"({"model_type":"llama"})");
    CHECK(forms() == std::vector{kInt8, kInt8, kFloat});

    const Result<Checkpoint> checkpoint =
        Checkpoint::open(folder.path() / "model.safetensors", InputFormat::kSafetensors);
    REQUIRE(checkpoint.ok());
    const Result<LinearTensors> found = find_linear_tensors(checkpoint.value(), 4, "");
    REQUIRE(found.ok());
    const auto layer = [&](std::string_view name) {
        return *std::find_if(found->layers.begin(), found->layers.end(),
                             [&](const LinearTensor& tensor) { return tensor.layer.name == name; });
    };
    const LinearTensor k = layer("layers.0.k_proj");
    REQUIRE(k.weight.is_int8());
    // The builder's bytes are all 1: an F32 scale of 0x01010101 times levels of 1.
    const std::vector<float> weights = values_of(k.weight);
    CHECK(weights.size() == 32);
    CHECK(weights.front() == 0x1.020202p-125f);
    CHECK(k.input.scaling == InputScaling::kStatic);
    CHECK(layer("layers.0.q_proj").input.scaling == InputScaling::kDynamic);
    CHECK(found->left_out.empty());
}

TEST_CASE("checkpoint: what is wrong with quantized weights") {
    struct Case {
        std::string tensor;  // is replaced
        TestTensor by;
        std::string ignore;
        std::vector<std::string> words;
    };
    const std::string scale = "layers.0.q_proj.weight_scale";
    for (const Case& bad : std::vector<Case>{
             {scale, {"other", {4}}, "[]", {"q_proj.weight\": dtype: expected F32, F16 or BF16, found I8"}},
             {scale, {scale, {3, 1}}, "[]", {"weight_scale\": shape: expected one scale or [4, 1]", "[3, 1]"}},
             {scale,
              {scale, {4, 2}},
              "[]",
              {"weight_scale\": shape: expected one scale for each row of the int8 weights, found [4, 2]",
               "groups of 4 along K is not read (--skip leaves it out)"}},
             {scale, {scale, {4, 4}}, "[]", {"weight_scale\": shape: "}},
             {scale, {scale, {4, 1}, "I64"}, "[]", {"weight_scale\": dtype: expected F32, F16 or BF16, found I64"}},
             {"lm_head.weight",
              {"layers.0.q_proj.weight_zero_point", {4, 1}, "I8"},
              "[]",
              {"weight_zero_point\": expected zeros"}},
             {"", {}, R"(["re:.*q_proj"])", {"q_proj.weight\": dtype: expected floats", "ignore list", "found I8"}},
             {"", {}, "3", {"config.json: quantization_config.ignore: expected an array of layer names, found 3"}},
             {"", {}, "[3]", {"quantization_config.ignore[0]: expected a string, found 3"}},
             {"", {}, R"(["a","re:("])", {"quantization_config.ignore[1]: expected a regular expression", "re:("}},
             {"", {}, R"(["re:"])", {"quantization_config.ignore[0]: expected an expression of 1"}},
             {"", {}, "[", {"config.json:", "expected JSON"}},
         }) {
        const TempFolder folder;
        std::vector<TestTensor> tensors = w8a8();
        for (TestTensor& tensor : tensors) {
            if (tensor.name == bad.tensor) tensor = bad.by;
        }
        folder.write("model.safetensors", safetensors_bytes(tensors));
        folder.write("config.json", config(bad.ignore));
        require_error(read_model(folder.path(), kTokens).status(), StatusCode::kParseError, bad.words);
    }
}
