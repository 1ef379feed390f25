#include "planner/overrides.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace octile;

namespace {

Overrides compiled(const PlanOptions& options) {
    Result<Overrides> overrides = Overrides::compile(options);
    INFO(overrides.status().message());
    REQUIRE(overrides.ok());
    return std::move(overrides).value();
}

std::optional<Precision> forced(Overrides& overrides, const std::string& name) {
    const Result<Override> matched = overrides.match(name);
    REQUIRE(matched.ok());
    CHECK_FALSE(matched->skip);
    return matched->force;
}

bool skips(const std::string& pattern, const std::string& name) {
    PlanOptions options;
    options.skip = pattern;
    Overrides overrides = compiled(options);
    const Result<Override> matched = overrides.match(name);
    REQUIRE(matched.ok());
    return matched->skip;
}

Status error_of(const std::string& pattern) {
    PlanOptions options;
    options.forces = {{pattern, Precision::kInt8}};
    return validate(options);
}

}  // namespace

TEST_CASE("A pattern matches anywhere in a name", "[overrides]") {
    CHECK(skips("fc1", "blocks.0.fc1"));
    CHECK(skips("^blocks", "blocks.0.fc1"));
    CHECK_FALSE(skips("^fc1", "blocks.0.fc1"));
    CHECK(skips("\\.0\\.(fc1|fc2)$", "blocks.0.fc2"));
    CHECK_FALSE(skips("\\.0\\.(fc1|fc2)$", "blocks.0.fc2.x"));
    CHECK(skips("[0-9]", "blocks.0"));
    CHECK(skips("fc(?!1)", "fc2"));
    CHECK_FALSE(skips("fc(?!1)", "fc1"));
}

TEST_CASE("Wildcards at the ends mean what they say", "[overrides]") {
    CHECK(skips(".*", "anything"));
    CHECK(skips(".*fc.*", "a.fc1"));
    CHECK_FALSE(skips(".*fc.*", "a.gate"));
    CHECK(skips(".*?fc.*", "a.fc1"));
    CHECK_FALSE(skips("fc\\.*x", "fc1x"));
    CHECK(skips("^fc\\.*", "fc1"));  // zero dots or more
    CHECK(skips("^fc\\.*$", "fc.."));
    CHECK_FALSE(skips("^fc\\.*$", "fc1"));
    CHECK(skips(".*a|b", "b"));
    CHECK(skips("a|.*", "c"));
    CHECK(skips("^a.*", "abc"));
    CHECK_FALSE(skips("^a.*", "bac"));
}

TEST_CASE("The last force that matches wins, and skip wins over all", "[overrides]") {
    PlanOptions options;
    options.forces = {{".", Precision::kFp16}, {"fc", Precision::kInt8}, {"fc2", Precision::kFp16}};
    Overrides overrides = compiled(options);
    CHECK(forced(overrides, "qkv") == Precision::kFp16);
    CHECK(forced(overrides, "fc1") == Precision::kInt8);
    CHECK(forced(overrides, "fc2") == Precision::kFp16);

    options.skip = "fc1";
    overrides = compiled(options);
    CHECK(overrides.match("fc1").skip);
    CHECK_FALSE(overrides.match("fc1").force.has_value());
    CHECK(forced(overrides, "fc2") == Precision::kFp16);
}

TEST_CASE("No pattern leaves every layer alone", "[overrides]") {
    Overrides overrides = compiled({});
    CHECK(forced(overrides, "fc1") == std::nullopt);
    CHECK(overrides.unused().empty());
}

TEST_CASE("Patterns that decided nothing are named", "[overrides]") {
    PlanOptions options;
    options.forces = {{"fc", Precision::kFp16}, {"fc1", Precision::kInt8}, {"atn", Precision::kInt8}};
    options.skip = "head";
    Overrides overrides = compiled(options);
    CHECK(overrides.unused().size() == 4);
    CHECK(overrides.match("fc1").force == Precision::kInt8);
    CHECK(overrides.unused() == std::vector<std::string>{"skip \"head\" decides no layer",
                                                         "force \"atn=int8\" decides no layer",
                                                         "force \"fc=fp16\" decides no layer"});
}

TEST_CASE("What is no pattern is refused by name", "[overrides]") {
    for (const std::string pattern : {"(", "[", "a{", "*", "a\\", "(?<x>a)", "(a)\\1", "[z-a]", "a{2,1}"}) {
        INFO(pattern);
        const Status status = error_of(pattern);
        CHECK(status.code() == StatusCode::kInvalidArgument);
        CHECK(status.message().find("not a regular expression") != std::string::npos);
        CHECK(status.message().find("force \"") == 0);
        CHECK(status.message().find('\n') == std::string::npos);
    }
    CHECK(error_of("(").message().find("force \"(=int8\": ") == 0);
    CHECK(error_of("").message() == "force \"=int8\": the pattern is empty");
    PlanOptions skip;
    skip.skip = "(";
    CHECK(validate(skip).message().find("skip \"(\": not a regular expression") == 0);
    CHECK(error_of("fc\n(").message().find('\n') == std::string::npos);
}

TEST_CASE("Hostile patterns cost neither the stack nor exponential time", "[overrides]") {
    CHECK(error_of(std::string(kMaxPatternLength, '(')).code() == StatusCode::kInvalidArgument);
    CHECK(error_of(std::string(kMaxPatternLength + 1, 'a')).message().find("at most 1000 bytes, found 1001") !=
          std::string::npos);
    CHECK(error_of(std::string(kMaxPatternLength, 'a')).ok());
    CHECK(error_of("(((a{999}){999}){999}){999}").code() == StatusCode::kInvalidArgument);

    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(skips("(a+)+$", std::string(60, 'a') + "b"));
    CHECK_FALSE(skips("(a|a)*b", std::string(60, 'a')));
    CHECK_FALSE(skips("a.*x", std::string(1024, 'a')));
    // Backtracking would take 2^60 steps. The bound is generous for emulators and sanitizers.
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}
