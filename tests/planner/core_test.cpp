#include "octile/core.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <regex>

#include "octile/planner.h"

using namespace octile;

namespace {

constexpr const char* kGood = R"({"core": "c", "title": "t", "clock_ghz": 2, "cores": 4,
 "vector": {"bits": 128, "pipes": 2, "loads": 2},
 "int8_macs_per_cycle": {"dotprod": 32}, "fp16_macs_per_cycle": {"fp16": 16},
 "caches": [{"kib": 64, "shared_by": 1, "bytes_per_cycle": 32}, {"kib": 512, "shared_by": 4, "bytes_per_cycle": 16}],
 "memory": {"gbps_per_core": 5, "gbps": 10}, "estimated": [], "sources": ["here"]})";

std::string replaced(const std::string& what, const std::string& with) {
    std::string text = kGood;
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("Every core that comes with the library is described, sourced and round-trips", "[core]") {
    const std::vector<std::string_view> names = core_names();
    CHECK(std::is_sorted(names.begin(), names.end()));
    for (const char* const name :
         {"neoverse-n1", "neoverse-n2", "neoverse-v1", "neoverse-v2", "cortex-a53", "cortex-a72", "cortex-a76",
          "cortex-a78", "cortex-a510", "cortex-a710", "cortex-a720", "cortex-x1", "cortex-x2", "cortex-x4", "apple-m1",
          "apple-m3", "oryon", "ampere1"}) {
        INFO(name);
        const Result<Core> core = find_core(name);
        REQUIRE(core.ok());
        CHECK(core->name == name);
        CHECK(core->sources.size() >= 1);
        CHECK(std::count(names.begin(), names.end(), name) == 1);
        const Result<Core> again = core_from_json(to_json(core.value()));
        INFO(again.status().message());
        REQUIRE(again.ok());
        CHECK(again.value() == core.value());
        // What is marked as estimated is a field that there is.
        for (const std::string& field : core->estimated) {
            INFO(field);
            const std::string key = field.substr(field.find('.') == std::string::npos ? 0 : field.find('.') + 1);
            CHECK(to_json(core.value()).find("\"" + key + "\"") != std::string::npos);
        }
    }
    CHECK(names.size() == 18);
}

TEST_CASE("An unknown core is an error that lists the known ones", "[core]") {
    const Result<Core> core = find_core("neoverse-v9");
    REQUIRE_FALSE(core.ok());
    CHECK(core.status().code() == StatusCode::kInvalidArgument);
    CHECK(core.status().message().find("neoverse-v2") != std::string::npos);
    CHECK(core.status().message().find("\"neoverse-v9\"") != std::string::npos);
}

TEST_CASE("Fewer vector pipes cost more cycles for everything around the products", "[core]") {
    const Core two = find_core("neoverse-n2").value(), four = find_core("neoverse-v2").value();
    CHECK(two.cycles.quantize == Approx(2 * four.cycles.quantize));
    CHECK(two.cycles.quantize == Approx(0.7));  // llvm-mca's figure for N2
    CHECK(two.cycles.epilogue_int8 == Approx(2 * four.cycles.epilogue_int8));
}

TEST_CASE("A description that is wrong is an error that names the field", "[core]") {
    REQUIRE(core_from_json(kGood).ok());
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"", "parse error"},
        {"[]", "core: expected an object, found an array"},
        {"{}", "core: missing: not the description of a core"},
        {replaced("\"core\": \"c\"", "\"core\": \"\""), "core: expected a name, found none"},
        {replaced("\"core\": \"c\"", "\"core\": 3"), "core: expected a string, found 3"},
        {replaced("\"clock_ghz\": 2", "\"clock_ghz\": 0"), "clock_ghz: expected a number > 0, found 0"},
        {replaced("\"clock_ghz\": 2", "\"clock_ghz\": \"2\""), "clock_ghz: expected a number > 0, found \"2\""},
        {replaced("\"cores\": 4", "\"cores\": 0"), "cores: expected an integer from 1 to 2147483647, found 0"},
        {replaced("\"pipes\": 2, ", ""), "vector.pipes: missing"},
        {replaced("\"pipes\": 2", "\"pipes\": 2, \"stores\": 1"), "vector: unknown field \"stores\""},
        {replaced("{\"dotprod\": 32}", "{\"dotprod\": -1}"),
         "int8_macs_per_cycle.dotprod: expected a number > 0, found -1"},
        {replaced("{\"dotprod\": 32}", "{}"), "int8_macs_per_cycle: expected at least one of"},
        {replaced("{\"dotprod\": 32}", "{\"fp16\": 32}"), "int8_macs_per_cycle: unknown field \"fp16\""},
        {replaced("\"kib\": 512", "\"kib\": 32"),
         "caches[1].kib: expected more than 64, the level before it, found 32"},
        {replaced("\"shared_by\": 4", "\"shared_by\": 0"), "caches[1].shared_by: expected an integer from 1"},
        {replaced("\"gbps\": 10", "\"gbps\": 4"), "memory.gbps: expected at least gbps_per_core = 5, found 4"},
        {replaced("[\"here\"]", "[]"), "sources: expected where the figures come from, found none"},
        {replaced("[\"here\"]", "[1]"), "sources: expected an array of strings, found other elements"},
        {replaced("\"estimated\"", "\"guessed\""), "estimated: missing"},
        {replaced("\"title\": \"t\"", "\"title\": \"t\", \"x\": 1"), "core: unknown field \"x\""},
        {replaced("\"clock_ghz\": 2", "\"clock_ghz\": 1e300"), "clock_ghz: expected a number of at most 1"},
        {replaced("\"title\": \"t\"", "\"title\": \"\\u001b[2J\""),
         "title: expected UTF-8 without control characters, found \"\\x1b[2J\""},
        {replaced("[\"here\"]", "[\"\\u009b2J\"]"), "sources[0]: expected UTF-8 without control characters"},
        {replaced("\"core\": \"c\"", "\"core\": \"c\\n\""), "core: expected UTF-8 without control characters"},
        // Several levels, then one that is unknown: names that live no longer than a loop's pass must not be taken for
        // each other.
        {replaced("{\"dotprod\": 32}", "{\"dotprod\": 32, \"i8mm\": 64, \"neon\": 8, \"i9mm\": 64}"),
         "int8_macs_per_cycle: unknown field \"i9mm\""},
    };
    for (const auto& [text, message] : wrong) {
        INFO(text);
        const Result<Core> core = core_from_json(text);
        REQUIRE_FALSE(core.ok());
        CHECK(core.status().code() == StatusCode::kParseError);
        CHECK(core.status().message().find(message) != std::string::npos);
        INFO(core.status().message());
        CHECK(core.status().message().find('\n') == std::string::npos);
    }
}
