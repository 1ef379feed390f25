#include <catch2/catch.hpp>
#include <string>

#include "base/json.h"
#include "base/limits.h"
#include "octile/core.h"
#include "octile/graph.h"
#include "octile/plan.h"
#include "octile/planner.h"
#include "tests/support/heap_peak.h"

using namespace octile;
using internal::parse_json;
using nlohmann::json;

namespace {

std::string times(std::string_view text, std::size_t count) {
    std::string all;
    all.reserve(text.size() * count);
    for (std::size_t i = 0; i < count; ++i)
        all += text;
    return all;
}

std::string nested(std::size_t depth, std::string_view open = "[", std::string_view close = "]") {
    std::string text = times(open, depth);
    if (open.ends_with(':')) text += '0';
    return text.append(times(close, depth));
}

// `elements` in one array, with an element behind them.
std::string array_of(const std::string& elements) {
    return std::string("[").append(elements).append("0]");
}

}  // namespace

TEST_CASE("JSON is as deep as the bound, and no deeper", "[json]") {
    for (const auto& [open, close] : {std::pair("[", "]"), {"{\"a\":", "}"}}) {
        INFO(open);
        const Result<json> deepest = parse_json(nested(limits::kJsonDepth, open, close));
        CHECK(deepest.ok());
        const Result<json> deeper = parse_json(nested(limits::kJsonDepth + 1, open, close));
        REQUIRE_FALSE(deeper.ok());
        CHECK(deeper.status().code() == StatusCode::kParseError);
        CHECK(deeper.status().message().find("expected at most 16 levels of nesting, found more") != std::string::npos);
    }
    // Siblings add nothing, nor do brackets inside strings, behind escaped quotes too.
    CHECK(parse_json(array_of(times(nested(limits::kJsonDepth - 1).append(","), 1000))).ok());
    CHECK(parse_json(array_of("\"[[[[[[[[[[[[[[[[[\\\"{{{{{{{{{{{{{{{{{\\\\\",")).ok());
    CHECK_FALSE(parse_json(array_of("\"\\\\\"," + nested(limits::kJsonDepth).append(","))).ok());
}

TEST_CASE("JSON a million levels deep is one error line, whoever reads it", "[json]") {
    for (const std::string& text : {nested(1'000'000), std::string(1'000'000, '['), nested(200'000, "{\"a\":", "}")}) {
        for (const Status& status : {parse_json(text).status(), plan_from_json(text).status(),
                                     core_from_json(text).status(), graph_from_json(text).status()}) {
            REQUIRE(status.code() == StatusCode::kParseError);
            CHECK(status.message().size() < 200);
            CHECK(status.message().find("levels of nesting") != std::string::npos);
        }
    }
}

TEST_CASE("JSON errors say line and column", "[json]") {
    json document;
    const auto error = parse_json("{\n \"a\": [1,\n  x]}", document);
    REQUIRE(error);
    CHECK(error->line == 3);
    CHECK(error->column == 3);
    CHECK_FALSE(error->too_deep);
    CHECK(error->reason.find("syntax error") == 0);

    const auto overflow = parse_json("[1,\n 1e400]", document);
    REQUIRE(overflow);
    CHECK(overflow->line == 0);  // the parser does not say
    CHECK(overflow->reason.find("1e400") != std::string::npos);

    const auto deep = parse_json(nested(100).insert(0, "[\n"), document);
    REQUIRE(deep);
    CHECK(deep->line == 2);
    CHECK(deep->column == limits::kJsonDepth);
    CHECK(deep->too_deep);
}

TEST_CASE("JSON takes memory in proportion to its size", "[json]") {
    for (const std::string_view element : {"0,", "[],", "{},", "\"\",", "[0],", "{\"\":0},", "{\"\":{}},", "[[[[]]]],",
                                           "{\"\":\"\"},", "{\"a\":0,\"b\":0},", "1e9,", "\"aaaaaaaaaaaaaaaa\","}) {
        const std::string text = array_of(times(element, (std::size_t{1} << 18) / element.size() + 1));
        const std::size_t peak = test::peak_of([&] { CHECK(parse_json(text).ok()); });
        INFO(element << ": " << peak / text.size() << " bytes for each");
        CHECK(peak <= limits::kJsonMemoryPerByte * text.size());
    }
}
