// The lists in models/ against the published size of the networks they describe: a wrong extent or count shows in the
// sum.
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "inputs/read_model.h"

using namespace octile;

namespace {

struct Published {
    std::string file;
    std::int64_t linears;     // layers, blocks multiplied out
    std::int64_t parameters;  // of all listed layers
    std::int64_t elsewhere;   // embeddings, convolutions and what else is no layer of the list
    std::int64_t total;       // of the published network; 0: not known to the digit
};

const std::vector<Published> kPublished = {
    // elsewhere: (30522 words + 512 positions + 2 types) * 768
    {"bert-base.csv", 12 * 6 + 1, 85'646'592, (30522 + 512 + 2) * 768, 109'482'240},
    {"minilm-l6.csv", 6 * 6 + 1, 10'795'392, (30522 + 512 + 2) * 384, 22'713'216},
    // class token and 197 positions
    {"vit-b16.csv", 12 * 6 + 2, 86'415'592, 198 * 768, 86'567'656},
    // convolutions and batch norms
    {"mobilevit-s.csv", (2 + 4 + 3) * 6 + 1, 3'555'512, 2'023'120, 5'578'632},
    // two convolutions, 1500 + 448 positions
    {"whisper-tiny.csv", 4 * 6 + 4 * 10 + 1, 36'477'312,
     (80 * 3 * 384 + 384) + (384 * 3 * 384 + 384) + (1500 + 448) * 384, 37'760'640},
    {"llama-3.2-1b.csv", 16 * 7 + 1, 1'235'814'400, 0, 1'235'814'400},
    // norms of query and key heads
    {"qwen3-1.7b.csv", 28 * 7 + 1, 1'720'567'808, 28 * 2 * 128, 1'720'574'976},
    {"qwen3.5-2b.csv", 18 * 5 + 6 * 4 + 24 * 3 + 1, 1'881'376'768, 0, 0},
};

std::filesystem::path models_folder() {
    return OCTILE_MODELS_DIR;
}

Model read(const std::string& file) {
    const Result<Model> model = read_model(models_folder() / file, {});
    INFO(model.status().message());
    REQUIRE(model.ok());
    return model.value();
}

std::int64_t parameters_of(const Layer& layer) {
    if (layer.op == Op::kActivation) return 0;
    const std::int64_t weight = layer.op == Op::kLinear ? layer.k * layer.n : layer.n;
    return layer.count * (weight + (layer.bias ? layer.n : 0));
}

}  // namespace

TEST_CASE("models: sizes are the published ones") {
    for (const Published& published : kPublished) {
        INFO(published.file);
        const Model model = read(published.file);
        CHECK(model.name + ".csv" == published.file);
        std::int64_t linears = 0;
        std::int64_t parameters = 0;
        for (const Layer& layer : model.layers) {
            if (layer.op == Op::kLinear) linears += layer.count;
            parameters += parameters_of(layer);
        }
        CHECK(linears == published.linears);
        CHECK(parameters == published.parameters);
        if (published.total != 0) CHECK(parameters + published.elsewhere == published.total);
    }
}

TEST_CASE("models: every list in the folder is tested and takes --tokens") {
    std::set<std::string> tested;
    for (const Published& published : kPublished)
        tested.insert(published.file);
    for (const auto& entry : std::filesystem::directory_iterator(models_folder())) {
        if (entry.path().extension() != ".csv") continue;
        INFO(entry.path());
        CHECK(tested.contains(entry.path().filename().string()));
        const Result<Model> model = read_model(entry.path(), {.tokens = 1, .skip = {}});
        REQUIRE(model.ok());
        for (const Layer& layer : model.value().layers)
            CHECK(layer.m == 1);
    }
}

TEST_CASE("models: shapes that decisions are known for") {
    const auto find = [](const Model& model, const std::string& name) {
        for (const Layer& layer : model.layers) {
            if (layer.name == name) return layer;
        }
        FAIL("no layer " << name);
        return Layer();
    };
    const Layer vit = find(read("vit-b16.csv"), "ffn.up");
    CHECK(vit == Layer{"ffn.up", Op::kLinear, 197, 768, 3072, 12, Activation::kGelu, true, {}, {}, {}});
    const Model mobilevit = read("mobilevit-s.csv");
    CHECK(find(mobilevit, "block1.ffn.up") ==
          Layer{"block1.ffn.up", Op::kLinear, 1024, 144, 288, 2, Activation::kSilu, true, {}, {}, {}});
    CHECK(find(mobilevit, "block2.ffn.up") ==
          Layer{"block2.ffn.up", Op::kLinear, 256, 192, 384, 4, Activation::kSilu, true, {}, {}, {}});
    CHECK(find(mobilevit, "block3.ffn.up") ==
          Layer{"block3.ffn.up", Op::kLinear, 64, 240, 480, 3, Activation::kSilu, true, {}, {}, {}});
}
