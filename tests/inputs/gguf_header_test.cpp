// Headers of GGUF files: what they say, and every way to be wrong.
#include "inputs/gguf/header.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "inputs/gguf/types.h"
#include "inputs/gguf/values.h"
#include "tests/inputs/gguf_builder.h"
#include "tests/inputs/status_checks.h"

using namespace octile;
using namespace octile::test;

namespace {

Result<GgufHeader> parse(const std::string& bytes) {
    return parse_gguf_header(std::as_bytes(std::span(bytes)), "net.gguf");
}

GgufBuilder one(std::uint32_t type = 0, const std::vector<std::uint64_t>& shape = {2, 2}) {
    return GgufBuilder().tensor("a", shape, type, std::string(16, '\7'));
}

// Two tensors of 32 bytes, the second at an offset.
std::string two(std::int64_t offset, const std::string& second = "b") {
    return GgufBuilder()
        .tensor("a", {8}, 0, std::string(32, '\1'))
        .tensor(second, {8}, 0, std::string(32, '\2'), offset)
        .bytes();
}

std::string array(std::uint32_t kind, std::uint64_t count, const std::string& content = "") {
    return GgufBuilder::number(kind) + GgufBuilder::number(count) + content;
}

}  // namespace

TEST_CASE("gguf header: every kind of value") {
    const std::string bytes =
        GgufBuilder(2)
            .key("u8", GgufBuilder::kU8, "\xFF")
            .key("i8", GgufBuilder::kI8, "\xFF")
            .key("i16", GgufBuilder::kI16, GgufBuilder::number(std::int16_t{-2}))
            .key("u64", GgufBuilder::kU64, GgufBuilder::number(UINT64_MAX))
            .key("i64", GgufBuilder::kI64, GgufBuilder::number(INT64_MIN))
            .key("f64", GgufBuilder::kF64, GgufBuilder::number(0.1))
            .f32("f32", 1e-5f)
            .flag("bool", true)
            .word("word", "GGUF")
            .word("hostile", "a\x1b[31m")
            .u32s("same", {7, 7, 7})
            .u32s("different", {7, 7, 8})
            .words("words", {"a", "", "ccc"})
            .key("nested", GgufBuilder::kArray,
                 array(GgufBuilder::kArray, 2, array(GgufBuilder::kU8, 3, "abc") + array(GgufBuilder::kU16, 0)))
            .align(64)
            .tensor("matrix", {3, 2}, 0, std::string(24, '\1'))
            .tensor("none", {0, 32}, 2, "")
            .tensor("scalar", {}, 28, std::string(8, '\2'))
            .tensor("blocks", {2, 64}, 8, std::string(136, '\3'))
            .bytes();
    const Result<GgufHeader> header = parse(bytes);
    INFO(header.status().message());
    REQUIRE(header.ok());
    CHECK(header->version == 2);
    CHECK(header->alignment == 64);
    const auto text = [&](const char* key) { return gguf_text(*header->find(key)); };
    CHECK(text("u8") == "255");
    CHECK(text("i8") == "-1");
    CHECK(text("i16") == "-2");
    CHECK(text("u64") == "18446744073709551615");
    CHECK(text("i64") == "-9223372036854775808");
    CHECK(text("f64") == "0.1");
    CHECK(text("f32") == "1e-05");
    CHECK(text("bool") == "true");
    CHECK(text("word") == "GGUF");
    CHECK(text("hostile") == R"("a\x1b[31m")");
    CHECK(text("words") == "3 x string");
    CHECK(text("nested") == "2 x array");
    CHECK(gguf_count(*header->find("same"), "same") == 7);
    CHECK(header->find("missing") == nullptr);
    REQUIRE(header->tensors.size() == 4);
    CHECK(header->tensors[0].name == "matrix");
    CHECK(header->tensors[0].shape == std::vector<std::int64_t>{3, 2});
    CHECK(header->tensors[0].type->name == "F32");
    CHECK(header->tensors[1].name == "none");
    CHECK(header->tensors[1].data.empty());
    CHECK(header->tensors[2].name == "scalar");
    CHECK(header->tensors[2].shape.empty());
    CHECK(header->tensors[3].data.size() == 136);
    CHECK(header->tensors[3].data[0] == std::byte{3});
}

TEST_CASE("gguf header: bad files") {
    struct Case {
        std::string bytes;
        std::vector<std::string> words;
    };
    const std::string good = one().bytes();
    std::string deep = array(GgufBuilder::kU8, 0);
    for (int i = 0; i < 4; i++)
        deep = array(GgufBuilder::kArray, 1, deep);
    const auto key = [](std::uint32_t kind, const std::string& value) {
        return GgufBuilder().key("k", kind, value).bytes();
    };
    const std::vector<Case> cases = {
        {"", {"magic", "expected GGUF", "found \"\""}},
        {"GGU", {"magic", "found \"GGU\""}},
        {"GGUFxx", {"version", "4 bytes", "end of the file after 2", "cut short"}},
        {GgufBuilder(1).bytes(), {"version", "expected 2 or 3", "found 1", "convert"}},
        {GgufBuilder(4).bytes(), {"version", "found 4"}},
        {GgufBuilder(0x03000000).bytes(), {"version", "little-endian", "big-endian"}},
        {good.substr(0, 20), {"number of keys", "cut short"}},
        // keys
        {GgufBuilder().claim(0, 65537).bytes(), {"number of keys", "at most 65536", "found 65537"}},
        {GgufBuilder().claim(0, 3).bytes(), {"key 0", "a name"}},
        {GgufBuilder().u32("k", 1).claim(0, 2).bytes().substr(0, 45), {"key 1", "cut short"}},
        {GgufBuilder().u32("k", 1).u32("k", 1).bytes(), {"k: ", "once"}},
        {GgufBuilder().u32("", 1).bytes(), {"key 0", "a name"}},
        {GgufBuilder().u32("a\nb", 1).bytes(), {"key 0", "control characters"}},
        {GgufBuilder().u32(std::string(2000, 'k'), 1).bytes(), {"key 0", "at most 1024 bytes", "found 2000"}},
        {key(13, "1234"), {"k: ", "a kind of value from 0 to 12", "found 13"}},
        {key(GgufBuilder::kBool, "\2"), {"k: ", "0 or 1", "found 2"}},
        {key(GgufBuilder::kString, GgufBuilder::number(UINT64_MAX)), {"k: ", "18446744073709551615 bytes"}},
        {key(GgufBuilder::kArray, array(14, 1)), {"k: ", "found 14"}},
        {key(GgufBuilder::kArray, array(GgufBuilder::kU64, UINT64_MAX / 4)), {"k: ", "cut short"}},
        {key(GgufBuilder::kArray, array(GgufBuilder::kString, UINT64_MAX)), {"k: ", "cut short"}},
        {key(GgufBuilder::kArray, array(GgufBuilder::kArray, UINT64_MAX)), {"k: "}},
        {key(GgufBuilder::kArray, deep), {"k: ", "at most 4 arrays inside each other"}},
        // alignment
        {GgufBuilder().u32("general.alignment", 0).bytes(), {"general.alignment", "power of two", "found 0"}},
        {GgufBuilder().u32("general.alignment", 48).bytes(), {"general.alignment", "found 48"}},
        {GgufBuilder().u32("general.alignment", 1u << 31).bytes(), {"general.alignment", "up to 1048576"}},
        {GgufBuilder().word("general.alignment", "32").bytes(), {"general.alignment", "u32"}},
        // tensors
        {GgufBuilder().claim(UINT64_MAX, 0).bytes(), {"tensor 0"}},
        {two(32, "a"), {"tensor \"a\"", "once"}},
        {one(0, {1, 1, 1, 2, 2}).bytes(), {"tensor \"a\"", "at most 4 dimensions", "found 5"}},
        {one(4).bytes(), {"tensor \"a\"", "type", "found 4, which it has given up: quantize"}},
        {one(31).bytes(), {"tensor \"a\"", "type", "found 31, which it has given up: quantize"}},
        {one(99).bytes(), {"tensor \"a\"", "type: expected one of ggml's, 0 to 42, found 99"}},
        {one(0, {UINT64_MAX}).bytes(), {"tensor \"a\"", "below 2^63", "found 18446744073709551615"}},
        {one(0, {1ull << 31, 1ull << 31, 1ull << 31}).bytes(), {"tensor \"a\"", "63 bits"}},
        {one(0, {1ull << 40, 1ull << 40, 0}).bytes(), {"tensor \"a\"", "63 bits"}},
        {one(12, {2, 128}).bytes(), {"tensor \"a\"", "multiple of 256 values for Q4_K", "found 128"}},
        {one(12, {256, 2}).bytes(), {"tensor \"a\"", "multiple of 256 values"}},
        {one(0, {2, 4}).bytes(), {"tensor \"a\"", "expected 32 bytes from byte 0", "found 16", "cut short"}},
        {two(33), {"tensor \"b\"", "offset", "a multiple of 32", "found 33"}},
        {two(64), {"tensor \"b\"", "from byte 64", "found 64"}},
        {two(1ll << 62), {"tensor \"b\"", "from byte 4611686018427387904"}},
        {two(0), {"data of its own", "tensor \""}},
        {good.substr(0, good.size() - 1), {"tensor \"a\"", "cut short"}},
    };
    for (const Case& bad : cases) {
        INFO(bad.words[0] << " " << bad.words.back());
        std::vector<std::string> words = bad.words;
        words.emplace_back("net.gguf: ");
        require_error(parse(bad.bytes).status(), StatusCode::kParseError, words);
    }
}

TEST_CASE("gguf header: a file that is cut anywhere is an error or ends behind its data") {
    const std::string whole = gguf_decoder("llama", {.blocks = 1}).bytes();
    for (std::size_t size = 0; size < whole.size(); size += size < 4096 ? 1 : 97)
        CHECK_FALSE(parse(whole.substr(0, size)).ok());
    CHECK(parse(whole).ok());
    CHECK(parse(whole + "more").ok());  // as some writers pad
}
