#include "inputs/linear_tensors.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/inputs/safetensors_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using octile::test::require_error;
using octile::test::safetensors_bytes;
using octile::test::TempFolder;
using octile::test::TestTensor;

namespace {

struct Found {
    Checkpoint file;
    LinearTensors tensors;

    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const LinearTensor& tensor : tensors.layers)
            names.push_back(tensor.layer.name);
        return names;
    }
    const Layer& layer(const std::string& name) const {
        for (const LinearTensor& tensor : tensors.layers) {
            if (tensor.layer.name == name) return tensor.layer;
        }
        FAIL("no layer " << name);
        return tensors.layers.front().layer;
    }
    std::string why(const std::string& tensor) const {
        for (const LeftOut& left : tensors.left_out) {
            if (left.tensor == tensor) return left.text;
        }
        return "";
    }
};

Found find(const std::vector<TestTensor>& tensors, const std::string& skip = "") {
    const TempFolder folder;  // the mapping outlives the name
    Result<Checkpoint> file =
        Checkpoint::open(folder.write("net.safetensors", safetensors_bytes(tensors)), InputFormat::kSafetensors);
    INFO(file.status().message());
    REQUIRE(file.ok());
    Result<LinearTensors> found = find_linear_tensors(file.value(), 128, skip);
    INFO(found.status().message());
    REQUIRE(found.ok());
    return {std::move(file).value(), std::move(found).value()};
}

Status find_error(const std::vector<TestTensor>& tensors, std::int64_t tokens = 128, const std::string& skip = "") {
    const TempFolder folder;
    const Result<Checkpoint> file =
        Checkpoint::open(folder.write("net.safetensors", safetensors_bytes(tensors)), InputFormat::kSafetensors);
    INFO(file.status().message());
    REQUIRE(file.ok());
    return find_linear_tensors(file.value(), tokens, skip).status();
}

void add_linear(std::vector<TestTensor>& tensors, const std::string& name, std::int64_t n, std::int64_t k) {
    tensors.push_back({name + ".bias", {n}});
    tensors.push_back({name + ".weight", {n, k}});
}

// A BERT of `blocks` blocks, hidden 4, feed-forward 8, in the order in which PyTorch's writer leaves it: by name.
std::vector<TestTensor> bert(int blocks) {
    std::vector<TestTensor> tensors = {{"embeddings.position_ids", {1, 16}, "I64"},
                                       {"embeddings.LayerNorm.bias", {4}},
                                       {"embeddings.LayerNorm.weight", {4}},
                                       {"embeddings.position_embeddings.weight", {16, 4}},
                                       {"embeddings.token_type_embeddings.weight", {2, 4}},
                                       {"embeddings.word_embeddings.weight", {99, 4}}};
    for (int i = 0; i < blocks; ++i) {
        const std::string block = "encoder.layer." + std::to_string(i) + ".";
        for (const std::string norm : {"attention.output.LayerNorm", "output.LayerNorm"}) {
            tensors.push_back({block + norm + ".bias", {4}});
            tensors.push_back({block + norm + ".weight", {4}});
        }
        for (const std::string linear :
             {"attention.output.dense", "attention.self.key", "attention.self.query", "attention.self.value"}) {
            add_linear(tensors, block + linear, 4, 4);
        }
        add_linear(tensors, block + "intermediate.dense", 8, 4);
        add_linear(tensors, block + "output.dense", 4, 8);
    }
    add_linear(tensors, "pooler.dense", 4, 4);
    return tensors;
}

}  // namespace

TEST_CASE("linear tensors: names say nothing of what is read, and what stands behind it") {
    const Found found = find(bert(12));
    const std::vector<std::string> names = found.names();
    REQUIRE(names.size() == 1 + 12 * 8 + 1);
    CHECK(names[0] == "embeddings.LayerNorm");
    CHECK(names[17].starts_with("encoder.layer.2."));  // the third, not the one after layer 10 and 11
    CHECK(names.back() == "pooler.dense");
    for (const LinearTensor& tensor : found.tensors.layers) {
        CHECK(tensor.layer.m == 128);
        CHECK(tensor.layer.bias);
        CHECK(tensor.layer.input_unknown);
        CHECK(tensor.layer.activation == Activation::kNone);
    }
    const Layer& up = found.layer("encoder.layer.2.intermediate.dense");
    CHECK((up.op == Op::kLinear && up.k == 4 && up.n == 8));
    const Layer& norm = found.layer("encoder.layer.2.output.LayerNorm");
    CHECK((norm.op == Op::kLayerNorm && norm.k == 4 && norm.n == 4));

    CHECK(found.tensors.left_out.size() == 4);
    CHECK(found.why("embeddings.word_embeddings.weight") == "an embedding table");
    CHECK(found.why("embeddings.position_embeddings.weight") == "an embedding table");
    CHECK(found.why("embeddings.token_type_embeddings.weight") == "an embedding table");
    CHECK(found.why("embeddings.position_ids") == "neither a *.weight nor the bias of a layer");

    for (const LinearTensor& tensor : found.tensors.layers) {
        const TensorInfo* const bias = found.file.find(tensor.layer.name + ".bias");
        CHECK(tensor.weight.tensor == found.file.find(tensor.layer.name + ".weight"));
        REQUIRE(tensor.bias.has_value() == (bias != nullptr));
        if (bias) CHECK(tensor.bias->data.data() == bias->data.data());
        CHECK(tensor.weight.bytes() ==
              static_cast<std::size_t>(tensor.layer.n * (tensor.layer.op == Op::kLinear ? tensor.layer.k : 1)) * 4);
    }
}

TEST_CASE("linear tensors: what is left out, and why") {
    const Found found = find({{"fc.weight", {2, 3}, "F16"},
                              {"conv.weight", {2, 3, 3, 3}, "F16"},
                              {"conv.bias", {2}, "F16"},
                              {"bn_norm.weight", {2}},
                              {"bn_norm.bias", {2}},
                              {"bn_norm.running_mean", {2}},
                              {"scale.weight", {2}},
                              {"wte.weight", {9, 2}},
                              {"h.wpe.weight", {9, 2}},
                              {"shared.weight", {9, 2}},
                              {"decoder.embed_positions.weight", {9, 2}},
                              {"time_embedding.linear_1.weight", {2, 2}},
                              {"time_embedding.linear_1.bias", {2}},
                              {"logit_scale", {}},
                              {"ids.weight", {2, 2, 2}, "I64"}});
    CHECK(found.names() == std::vector<std::string>{"fc", "time_embedding.linear_1"});  // a bias makes it a linear
    CHECK(found.why("conv.weight") == "4-D: neither a linear nor a norm");
    CHECK(found.why("conv.bias") == "neither a *.weight nor the bias of a layer");
    CHECK(found.why("bn_norm.weight") == "a batch norm");
    CHECK(found.why("scale.weight") == "1-D and not a norm");
    for (const std::string name : {"wte", "h.wpe", "shared", "decoder.embed_positions"}) {
        CHECK(found.why(name + ".weight") == "an embedding table");
    }
    CHECK(found.tensors.left_out.size() == 12);
}

TEST_CASE("linear tensors: skip") {
    CHECK(find(bert(1), "attention").names() ==
          std::vector<std::string>{"embeddings.LayerNorm", "encoder.layer.0.intermediate.dense",
                                   "encoder.layer.0.output.LayerNorm", "encoder.layer.0.output.dense", "pooler.dense"});
    const Found found = find(bert(1), "^pooler\\.dense$|LayerNorm");
    CHECK(found.names().size() == 6);
    CHECK(found.why("pooler.dense.weight") == "skipped on request");
    CHECK(found.why("pooler.dense.bias") == "neither a *.weight nor the bias of a layer");
    // A tensor that could not be a layer is no obstacle once it is skipped.
    CHECK(find({{"a.weight", {2, 2}, "I8"}, {"b.weight", {2, 2}}}, "^a$").names() == std::vector<std::string>{"b"});
}

TEST_CASE("linear tensors: bad tensors and options") {
    const auto parse = StatusCode::kParseError;
    const auto argument = StatusCode::kInvalidArgument;
    require_error(find_error({{"a.weight", {2, 2}, "I8"}}), parse,
                  {"net.safetensors: tensor \"a.weight\"", "F32, F16 or BF16", "found I8"});
    require_error(find_error({{"a.weight", {2, 2}, "I64"}}), parse, {"tensor \"a.weight\"", "found I64", "--skip"});
    require_error(find_error({{"a.weight", {2, 2}}, {"a.bias", {2}, "I64"}}), parse,
                  {"tensor \"a.bias\"", "found I64"});
    require_error(find_error({{"a.weight", {2, 3}}, {"a.bias", {4}}}), parse,
                  {"tensor \"a.bias\"", "expected [2]", "[2, 3]", "found [4]"});
    require_error(find_error({{"a.weight", {2, 3}}, {"a.bias", {2, 1}}}), parse, {"tensor \"a.bias\"", "found [2, 1]"});
    require_error(find_error({{"a.weight", {2, 3}}, {"a.bias", {3}}}), parse, {"tensor \"a.bias\"", "transposed"});
    require_error(find_error({{"a.weight", {0, 3}}}), parse, {"at least one 2-D *.weight", "1 tensors"});
    require_error(find_error({{"a.weight", {1, 131073}, "F16"}}), parse, {"tensor \"a.weight\"", "k: ", "1 to 131072"});
    require_error(find_error({}), parse, {"net.safetensors", "at least one 2-D *.weight", "0 tensors"});
    require_error(find_error({{"norm.weight", {2}}, {"wte.weight", {2, 2}}}), parse,
                  {"at least one 2-D *.weight", "2 tensors"});

    const std::vector<TestTensor> good = {{"a.weight", {2, 2}}};
    require_error(find_error(good, 0), argument, {"--tokens", "1 to 2147483647", "found 0"});
    require_error(find_error(good, -1), argument, {"--tokens", "found -1"});
    require_error(find_error(good, 2147483648), argument, {"--tokens", "found 2147483648"});
    require_error(find_error(good, 1, "("), argument, {"--skip", "\"(\""});
    require_error(find_error(good, 1, std::string(5000, 'a')), argument, {"--skip", "at most 1000 bytes, found 5000"});
    require_error(find_error(good, 1, "a"), parse, {"at least one 2-D *.weight"});
}

TEST_CASE("linear tensors: the longest names and a hungry expression") {
    const std::string name(1000, 'x');
    CHECK(find({{name + ".weight", {2, 2}}}, "(x*)(x*)y").names().size() == 1);
}
