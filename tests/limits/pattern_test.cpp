#include "base/pattern.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <random>
#include <regex>
#include <string>

#include "base/limits.h"
#include "base/printable.h"
#include "tests/support/heap_peak.h"

using namespace octile;
using internal::Pattern;

namespace {

Pattern compiled(const std::string& text) {
    Result<Pattern> pattern = Pattern::compile(text);
    INFO(text << ": " << pattern.status().message());
    REQUIRE(pattern.ok());
    return std::move(pattern).value();
}

// A pattern of the syntax that both engines know, some 1 to 12 characters long.
std::string random_pattern(std::mt19937& random, int depth = 0) {
    const auto below = [&](unsigned most) { return static_cast<unsigned>(random() % most); };
    std::string text;
    for (unsigned parts = 1 + below(3); parts > 0; --parts) {
        switch (below(depth < 3 ? 11 : 8)) {
            case 0:
                text += ".";
                break;
            case 1:
                text += "[ab]";
                break;
            case 2:
                text += "[^a1_-]";
                break;
            case 3:
                text += below(2) ? "\\d" : "\\w";
                break;
            case 4:
                text += "\\.";
                break;
            case 5:
                text += "ab";
                break;
            case 6:
            case 7:
                text += std::string(1, "abc1_"[below(5)]);
                break;
            case 8:
                // std::regex repeats a look-ahead, which changes nothing.
                text += (below(2) ? "(?=" : "(?!") + random_pattern(random, depth + 1) + ")";
                continue;
            default: {
                std::string group = below(2) ? "(" : "(?:";
                group += random_pattern(random, depth + 1);
                if (below(2)) group.append("|").append(random_pattern(random, depth + 1));
                text += group.append(")");
                break;
            }
        }
        constexpr const char* kQuantifiers[] = {"*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"};
        if (below(3) == 0) text += kQuantifiers[below(7)];
    }
    if (depth == 0 && below(4) == 0) text.insert(0, "^");
    if (depth == 0 && below(4) == 0) text += "$";
    return text;
}

}  // namespace

TEST_CASE("Patterns find what std::regex finds", "[pattern]") {
    std::mt19937 random(13);
    int found = 0;
    for (int round = 0; round < 2000; ++round) {
        const std::string text = random_pattern(random);
        const Pattern pattern = compiled(text);
        const std::regex oracle(text, std::regex::ECMAScript | std::regex::nosubs);
        for (int i = 0; i < 10; ++i) {
            std::string name;
            for (auto length = random() % 9; length > 0; --length)
                name += "abc1_.-"[random() % 7];
            INFO(text << " in " << internal::quote(name));
            REQUIRE(pattern.found_in(name) == std::regex_search(name, oracle));
            REQUIRE(pattern.begins(name) == std::regex_search(name, oracle, std::regex_constants::match_continuous));
            found += pattern.found_in(name) ? 1 : 0;
        }
    }
    CHECK(found > 2000);
    CHECK(found < 18000);
}

TEST_CASE("Patterns of real lists", "[pattern]") {
    CHECK(compiled(".*lm_head").begins("model.lm_head"));
    CHECK_FALSE(compiled("lm_head").begins("model.lm_head"));
    CHECK(compiled("layers\\.(0|1|2[0-3])\\.mlp").found_in("model.layers.23.mlp.up_proj"));
    CHECK_FALSE(compiled("layers\\.(0|1|2[0-3])\\.mlp").found_in("model.layers.24.mlp.up_proj"));
    CHECK(compiled("\\bq_proj\\b").found_in("self_attn.q_proj"));
    CHECK_FALSE(compiled("\\bq_proj\\b").found_in("self_attn.q_proj2"));
    CHECK(compiled("^$").found_in(""));
    CHECK(compiled("\\x61[\\x62-\\x64]").found_in("xad"));
    CHECK(compiled("\\xff").found_in("a\xff"));
    CHECK(compiled("[a\\]-]+$").found_in("x]-a"));
    CHECK(compiled("a|").found_in("b"));
    CHECK(compiled("(a*)*b").found_in("aab"));
    CHECK(compiled("(|a)+$").found_in("b"));
    CHECK(compiled("^(?!.*(lm_head|embed)).*proj$").found_in("layers.0.q_proj"));
    CHECK_FALSE(compiled("^(?!.*(lm_head|embed)).*proj$").found_in("lm_head.proj"));
    CHECK(compiled("(?:(?=a.c)(?!.b)...){2}").found_in("axcaxc"));
    CHECK_FALSE(compiled("(?:(?=a.c)(?!.b)...){2}").found_in("axcabc"));
}

TEST_CASE("What is no pattern is refused with its place", "[pattern]") {
    for (const std::string text :
         {"(",   ")",   "a)",    "(?:a", "[",      "[]",      "[a",      "[b-a]", "[\\d-z]",
          "*",   "a|*", "^*",    "a**",  "a{",     "a{,2}",   "a{2,1}",  "a{x}",  "\\",
          "\\1", "\\q", "\\xg0", "(?=a", "(?!a)*", "(?<=a)b", "(?<n>a)", "(?i)a", "[[:alpha:]]"}) {
        const Result<Pattern> pattern = Pattern::compile(text);
        INFO(text);
        REQUIRE_FALSE(pattern.ok());
        CHECK(pattern.status().message().find("not a regular expression: byte ") == 0);
        CHECK(internal::is_printable(pattern.status().message()));
    }
    CHECK(Pattern::compile("").status().message() == "the pattern is empty");
}

TEST_CASE("Patterns have bounds", "[pattern]") {
    CHECK(Pattern::compile(std::string(limits::kPatternBytes, 'a')).ok());
    CHECK_FALSE(Pattern::compile(std::string(limits::kPatternBytes + 1, 'a')).ok());
    CHECK(Pattern::compile("a{4000}").ok());
    for (const std::string text : {"a{4096}", "(a{999}){999}", "(((){999}){999}){999}", "a{99999999999999999999}",
                                   "((a|b){60}){60}", "(a{60}){70,}"}) {
        INFO(text);
        const Status status = Pattern::compile(text).status();
        CHECK(status.message().find("at most 4096 states") != std::string::npos);
    }
    const auto groups = [](std::size_t depth) { return std::string(depth, '(') + "a" + std::string(depth, ')'); };
    CHECK(Pattern::compile(groups(limits::kPatternDepth)).ok());
    CHECK(Pattern::compile(groups(limits::kPatternDepth + 1)).status().message().find("at most 32 levels") !=
          std::string::npos);
}

TEST_CASE("Patterns take memory by their states, and time by these and the name", "[pattern]") {
    std::string classes;
    for (char c = 'a'; c <= 'z'; ++c)
        classes += std::string("[") + c + "-~]";
    for (const std::string& text : {std::string("a{4000}"), classes, std::string(limits::kPatternBytes, '.')}) {
        std::size_t states = 0;
        const std::size_t peak = test::peak_of([&] { states = compiled(text).states(); });
        INFO(text.substr(0, 20) << ": " << peak << " bytes for " << states << " states");
        CHECK(peak <= limits::kPatternMemoryPerState * states + 4096);
    }
    // Backtracking takes 2^60 steps and more here, and recursion a stack of the name's length.
    const auto start = std::chrono::steady_clock::now();
    const std::string name(limits::kNameBytes, 'a');
    CHECK_FALSE(compiled("(a+)+$b").found_in(name));
    CHECK_FALSE(compiled("(a|a)*b").found_in(name));
    CHECK_FALSE(compiled("(a?){2000}b").found_in(name));
    CHECK_FALSE(compiled("((a*)*)*b").found_in(name));
    CHECK_FALSE(compiled("(?=(a+)+$b)a").found_in(name));
    std::string ahead = "b";
    for (std::size_t i = 0; i < limits::kPatternDepth; ++i)
        ahead = "a*(?=" + ahead + ")";
    CHECK_FALSE(compiled(ahead).found_in(name));
    CHECK(compiled(".*.*.*.*.*").found_in(std::string(1'000'000, 'a')));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));  // an emulator's
}
