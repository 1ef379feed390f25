#include "inputs/read_model.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "inputs/text_file.h"
#include "tests/inputs/safetensors_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using octile::test::require_error;
using octile::test::safetensors_bytes;
using octile::test::TempFolder;

namespace {

const std::string kCsv = "name,m,k,n\nfc,7,2,3\n";
const std::string kJson = R"( {"layers":[{"name":"fc","m":7,"k":2,"n":3}]})";
const std::string kWeights = safetensors_bytes({{"fc.weight", {3, 2}}});

}  // namespace

TEST_CASE("read: the format follows the extension, then the content") {
    const TempFolder folder;
    struct Case {
        std::string file;
        std::string content;
    };
    for (const Case& good : std::vector<Case>{{"net.csv", kCsv},
                                              {"net.CSV", kCsv},
                                              {"net.json", kJson},
                                              {"net.safetensors", kWeights},
                                              {"net", kCsv},
                                              {"net.txt", "\xEF\xBB\xBF" + kCsv},
                                              {"net.csv", "\xEF\xBB\xBF" + kCsv},
                                              {"net.json", "\xEF\xBB\xBF" + kJson},
                                              {"net.list", kJson},
                                              {"net.bin", kWeights}}) {
        INFO(good.file);
        const Result<Model> model = read_model(folder.write(good.file, good.content), {.tokens = 7, .skip = {}});
        INFO(model.status().message());
        REQUIRE(model.ok());
        CHECK(model->name == "net");
        Layer expected = {.name = "fc", .m = 7, .k = 2, .n = 3};
        if (good.content == kWeights) expected.assumptions = {"a linear by its shape"};
        CHECK(model->layers == std::vector<Layer>{expected});
        CHECK(model->left_out.empty());
    }
}

TEST_CASE("read: tokens replace the m of lists and are needed for weights") {
    const TempFolder folder;
    const auto csv = folder.write("net.csv", kCsv);
    const auto weights = folder.write("net.safetensors", kWeights);
    CHECK(read_model(csv, {}).value().layers[0].m == 7);
    CHECK(read_model(csv, {.tokens = 128, .skip = {}}).value().layers[0].m == 128);
    CHECK(read_model(weights, {.tokens = 5, .skip = {}}).value().layers[0].m == 5);

    require_error(read_model(weights, {}).status(), StatusCode::kInvalidArgument, {weights.string(), "--tokens"});
    for (const std::int64_t tokens : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1'000'000'000'000'000'000}}) {
        for (const auto& path : {csv, weights}) {
            require_error(read_model(path, {.tokens = tokens, .skip = {}}).status(), StatusCode::kInvalidArgument,
                          {"--tokens", "found " + std::to_string(tokens)});
        }
    }
}

TEST_CASE("read: skip is for weights") {
    const TempFolder folder;
    const auto path = folder.write("net.safetensors", safetensors_bytes({{"a.weight", {1, 1}}, {"b.weight", {1, 1}}}));
    CHECK(read_model(path, {.tokens = 1, .skip = "a"}).value().layers.size() == 1);
    require_error(read_model(path, {.tokens = 1, .skip = "["}).status(), StatusCode::kInvalidArgument,
                  {"--skip", "\"[\""});
    require_error(read_model(folder.write("net.csv", kCsv), {.tokens = 1, .skip = "a"}).status(),
                  StatusCode::kInvalidArgument, {"net.csv", "--skip"});
}

TEST_CASE("read: files that cannot be read") {
    const TempFolder folder;
    for (const std::string name : {"missing.csv", "missing.json", "missing.safetensors", "missing"}) {
        const auto path = folder.path() / name;
        require_error(read_model(path, {}).status(), StatusCode::kIoError, {path.string(), "No such file"});
    }
    for (const std::string name : {"dir.csv", "dir.json", "dir.safetensors", "dir"}) {
        const auto path = folder.path() / name;
        std::filesystem::create_directory(path);
        require_error(read_model(path, {}).status(), StatusCode::kIoError, {path.string(), "directory"});
    }
    require_error(read_model("", {}).status(), StatusCode::kIoError, {"No such file"});
    // A FIFO that nobody writes to: refused at once where the file would have to be mapped.
    const auto fifo = folder.path() / "fifo.safetensors";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    require_error(read_model(fifo, {}).status(), StatusCode::kIoError, {fifo.string(), "regular file"});
    // A path that would break the line of its own message.
    require_error(read_model(folder.path() / "a\nb.csv", {}).status(), StatusCode::kIoError, {"a\\x0ab.csv"});
}

TEST_CASE("read: content that is nothing") {
    const TempFolder folder;
    const auto parse = StatusCode::kParseError;
    require_error(read_model(folder.write("a.csv", ""), {}).status(), parse, {"a.csv:1: "});
    require_error(read_model(folder.write("a.json", ""), {}).status(), parse, {"a.json:1:1: "});
    require_error(read_model(folder.write("a", ""), {}).status(), parse, {"/a:1: "});
    require_error(read_model(folder.write("a.safetensors", ""), {}).status(), parse, {"a.safetensors: ", "found 0"});
    require_error(read_model(folder.write("a.csv", std::string("name,m,k,n\nf\0c,1,1,1\n", 22)), {}).status(), parse,
                  {"a.csv:2: ", "NUL"});
    require_error(read_model(folder.write("a.json", std::string("{}\0", 3)), {}).status(), parse,
                  {"a.json:1: ", "NUL"});
    require_error(read_model(folder.write("a.csv", std::string("\xFF\xFEn\0a\0m\0e\0", 10)), {}).status(), parse,
                  {"a.csv:1: ", "NUL"});
    require_error(read_model(folder.write("a.out", std::string(64, '\0')), {}).status(), parse, {"a.out:1: ", "NUL"});
    require_error(read_model(folder.write("a.csv", std::string(limits::kTextBytes + 1, '\n')), {}).status(), parse,
                  {"a.csv:1: ", "at most 16777216 bytes"});
    require_error(read_model("/dev/zero", {}).status(), parse, {"/dev/zero:1: "});  // endless
}
