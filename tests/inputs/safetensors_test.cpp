#include "inputs/safetensors.h"

#include <catch2/catch.hpp>
#include <cstring>
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

namespace {

// One F32 tensor "a" of [2, 2] over 16 bytes, with parts of its entry replaced.
std::string entry(const std::string& dtype = R"("F32")", const std::string& shape = "[2,2]",
                  const std::string& offsets = "[0,16]") {
    return R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

std::string two(const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + first +
           R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + second + "}}";
}

const std::string kData(16, '\7');

}  // namespace

TEST_CASE("safetensors: a file with several tensors") {
    const TempFolder folder;
    const std::string header =
        R"({"z":{"dtype":"F32","shape":[1,2],"data_offsets":[6,14]},"__metadata__":{"format":"pt","note":"x"},)"
        R"("half":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},"none":{"dtype":"I64","shape":[4,0],"data_offsets":[14,14]},)"
        R"("scalar":{"data_offsets":[14,15],"shape":[],"dtype":"BOOL"},"packed":{"dtype":"F4","shape":[2],"data_offsets":[15,16]}}   )";
    std::string data(16, '\0');
    const float values[2] = {1.5f, -2.0f};
    std::memcpy(data.data() + 6, values, sizeof(values));
    const auto path = folder.write("net.safetensors", safetensors_bytes(header, data));

    Result<SafetensorsFile> opened = SafetensorsFile::open(path);
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    const SafetensorsFile file = std::move(opened).value();  // what was opened survives being moved
    REQUIRE(file.tensors().size() == 5);
    CHECK(file.path() == path);
    CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"note", "x"}});
    CHECK(file.tensors()[0].name == "half");
    CHECK(file.tensors()[0].type == DataType::kBF16);
    CHECK(file.tensors()[1].name == "z");
    CHECK(file.find("missing") == nullptr);

    const TensorInfo* const z = file.find("z");
    REQUIRE(z != nullptr);
    CHECK(z->dtype == "F32");
    CHECK(z->shape == std::vector<std::int64_t>{1, 2});
    CHECK(shape_text(*z) == "[1, 2]");
    float read[2] = {};
    REQUIRE(z->data.size() == sizeof(read));
    std::memcpy(read, z->data.data(), sizeof(read));
    CHECK(read[0] == 1.5f);
    CHECK(read[1] == -2.0f);
    REQUIRE(file.find("none") != nullptr);
    CHECK(file.find("none")->data.empty());
    CHECK_FALSE(file.find("scalar")->type.has_value());
    CHECK(file.find("scalar")->shape.empty());
    CHECK(file.find("packed")->dtype == "F4");
}

TEST_CASE("safetensors: a file without tensors is one") {
    const TempFolder folder;
    const Result<SafetensorsFile> file =
        SafetensorsFile::open(folder.write("e.safetensors", safetensors_bytes("{}", "")));
    REQUIRE(file.ok());
    CHECK(file.value().tensors().empty());
}

TEST_CASE("safetensors: bad files") {
    struct Case {
        std::string bytes;
        std::vector<std::string> words;
    };
    const auto header = [](const std::string& text) { return safetensors_bytes(text, kData); };
    std::string deep_shape = "[1";
    for (int i = 0; i < 32; ++i)
        deep_shape += ",1";
    deep_shape += ']';
    std::string long_name = "{\"";
    long_name.append(2000, 'a').append("\":{}}");
    std::string same_name = two("[0,8]", "[8,16]");
    same_name.replace(same_name.find("\"b\""), 3, "\"a\"");
    const std::vector<Case> cases = {
        // length
        {"", {"at least 8 bytes", "found 0"}},
        {"1234567", {"at least 8 bytes", "found 7"}},
        {safetensors_bytes("", ""), {"header", "'{'"}},
        {safetensors_bytes("{}", "", 3), {"header length", "at most 2", "found 3"}},
        {safetensors_bytes("{}", "", INT64_MAX), {"header length", "found 9223372036854775807"}},
        {std::string(8, '\xFF') + "{}", {"header length", "found 18446744073709551615"}},
        {safetensors_bytes(entry(), kData).substr(0, 20), {"header length"}},
        {safetensors_bytes(entry(), "", 100'000'001), {"header length"}},
        // JSON
        {header("{"), {"header", "JSON", "byte"}},
        {header("{]"), {"header", "JSON"}},
        {header("[]"), {"header", "'{'"}},
        {header(" {}"), {"header", "'{'"}},
        {header("{} {}"), {"header", "JSON"}},
        {header("{\"a\":1}"), {"tensor \"a\"", "an object", "found 1"}},
        {header("{\"a\":[]}"), {"tensor \"a\"", "an object", "found an array"}},
        {header("{\"a\":null}"), {"tensor \"a\"", "found null"}},
        {header(std::string("{\"a\":").append(100000, '[')), {"tensor \"a\"", "found an array"}},
        {header(std::string("{\"a\":{\"shape\":").append(100000, '[')), {"tensor \"a\"", "shape", "found an array"}},
        {header("{\"\xFF\":{}}"), {"header", "JSON"}},
        {header("{\"\":{}}"), {"header", "a name"}},
        {header("{\"a\\nb\":{}}"), {"header", "control characters", "\\x0a"}},
        {header(long_name), {"header", "1024 bytes"}},
        // keys
        {header("{\"a\":{}}"), {"tensor \"a\"", "dtype, shape and data_offsets", "fewer"}},
        {header(R"({"a":{"dtype":"F32","shape":[4]}})"), {"tensor \"a\"", "fewer"}},
        {header(R"({"a":{"dtype":"F32","shape":[4],"offsets":[0,16]}})"), {"tensor \"a\"", "\"offsets\""}},
        {header(R"({"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}})"),
         {"tensor \"a\"", "once", "\"dtype\""}},
        {header(same_name), {"once", "\"a\""}},
        {header(R"({"__metadata__":{"a":1}})"), {"__metadata__", "a string at \"a\"", "found 1"}},
        {header(R"({"__metadata__":{"a":{}}})"), {"__metadata__", "found an object"}},
        {header(R"({"__metadata__":"x"})"), {"__metadata__", "an object", "found \"x\""}},
        // dtype
        {header(entry(R"("F31")")), {"tensor \"a\"", "dtype", "found \"F31\""}},
        {header(entry(R"("f32")")), {"tensor \"a\"", "dtype", "found \"f32\""}},
        {header(entry("32")), {"tensor \"a\"", "dtype", "a string", "found 32"}},
        {header(entry(R"("F16")")), {"tensor \"a\"", "data_offsets", "expected 8 bytes for F16 [2, 2]", "found 16"}},
        {header(entry(R"("F4")", "[3]", "[0,2]")), {"tensor \"a\"", "shape", "whole bytes"}},
        // shape
        {header(entry(R"("F32")", "4")), {"tensor \"a\"", "shape", "found 4"}},
        {header(entry(R"("F32")", "[-4]")), {"tensor \"a\"", "shape", "non-negative", "found -4"}},
        {header(entry(R"("F32")", "[4.0]")), {"tensor \"a\"", "shape", "found 4.0"}},
        {header(entry(R"("F32")", "[\"4\"]")), {"tensor \"a\"", "shape", "found \"4\""}},
        {header(entry(R"("F32")", "[[4]]")), {"tensor \"a\"", "shape", "found an array"}},
        {header(entry(R"("F32")", "[2,3]")), {"tensor \"a\"", "expected 24 bytes for F32 [2, 3]", "found 16"}},
        {header(entry(R"("F32")", "[4294967296,4294967296]")), {"tensor \"a\"", "shape", "64 bits"}},
        {header(entry(R"("F32")", "[18446744073709551615]")), {"tensor \"a\"", "shape"}},
        {header(entry(R"("F32")", "[18446744073709551616]")), {"tensor \"a\"", "shape"}},
        {header(entry(R"("F32")", "[1e999]")), {"header", "JSON"}},
        {header(entry(R"("U8")", "[9223372036854775807,2]")), {"tensor \"a\"", "shape"}},
        {header(entry(R"("F32")", deep_shape)), {"tensor \"a\"", "shape", "32 dimensions"}},
        // data_offsets
        {header(entry(R"("F32")", "[2,2]", "[16,0]")), {"tensor \"a\"", "data_offsets", "begin <= end", "[16, 0)"}},
        {header(entry(R"("F32")", "[2,2]", "[0]")), {"tensor \"a\"", "data_offsets", "two numbers", "found 1"}},
        {header(entry(R"("F32")", "[2,2]", "[]")), {"tensor \"a\"", "data_offsets", "found 0"}},
        {header(entry(R"("F32")", "[2,2]", "[0,16,32]")), {"tensor \"a\"", "data_offsets", "found more"}},
        {header(entry(R"("F32")", "[2,2]", "[0,-16]")), {"tensor \"a\"", "data_offsets", "found -16"}},
        {header(entry(R"("F32")", "[2,2]", "[16,32]")),
         {"tensor \"a\"", "data_offsets", "16 bytes of data", "[16, 32)"}},
        {header(entry(R"("F32")", "[2,2]", "[0,18446744073709551615]")),
         {"tensor \"a\"", "data_offsets", "16 bytes of data"}},
        {safetensors_bytes(entry(), kData.substr(0, 15)), {"tensor \"a\"", "15 bytes of data", "cut short"}},
        // cover
        {header(two("[0,8]", "[4,12]")), {"tensor \"b\"", "overlaps tensor \"a\"", "[4, 12)"}},
        {header(two("[0,8]", "[0,8]")), {"tensor \"b\"", "overlaps tensor \"a\""}},
        {header(two("[8,16]", "[4,12]")), {"hole", "[0, 4)", "tensor \"b\""}},
        {safetensors_bytes(two("[0,8]", "[12,20]"), kData + kData), {"tensor \"b\"", "hole [8, 12)"}},
        {header(two("[8,16]", "[0,8]") + "  ") + "tail", {"expected 16 bytes of data", "found 20", "[16, 20)"}},
        {header("{}"), {"expected 0 bytes of data", "[0, 16)"}},
    };
    const TempFolder folder;
    for (const Case& bad : cases) {
        INFO(bad.bytes.substr(0, 300));
        const auto path = folder.write("bad.safetensors", bad.bytes);
        const Result<SafetensorsFile> file = SafetensorsFile::open(path);
        require_error(file.status(), StatusCode::kParseError, bad.words);
        CHECK(file.status().message().rfind(path.string() + ": ", 0) == 0);
    }
}

TEST_CASE("safetensors: files that cannot be read") {
    const TempFolder folder;
    const auto missing = folder.path() / "missing.safetensors";
    require_error(SafetensorsFile::open(missing).status(), StatusCode::kIoError, {missing.string(), "No such file"});
    require_error(SafetensorsFile::open(folder.path()).status(), StatusCode::kIoError,
                  {folder.path().string(), "a directory"});
    require_error(SafetensorsFile::open("/dev/null").status(), StatusCode::kIoError, {"/dev/null", "regular file"});
}
