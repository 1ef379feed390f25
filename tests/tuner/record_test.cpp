#include "tuner/record.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/tuner/records.h"
#include "tuner/answer_records.h"

using namespace octile;
using namespace octile::tuner;
using octile::test::make_record;

TEST_CASE("A record is the same after a line", "[record]") {
    for (const Record& record : {make_record(), make_record({})}) {
        const std::string line = to_json(record);
        CHECK(line.find('\n') == std::string::npos);
        const Result<Record> read = record_from_json(line);
        INFO(read.status().message());
        REQUIRE(read.ok());
        CHECK(read.value() == record);
        CHECK(to_json(read.value()) == line);
    }
}

TEST_CASE("Median and deviation are those of the samples", "[record]") {
    CHECK(make_record({3, 1, 2, 10}).median_ns() == 2.5);
    CHECK(make_record({3, 1, 2, 10}).mad_ns() == 1);
    CHECK(make_record({}).median_ns() == 0);
}

TEST_CASE("A line that contradicts itself or the format is an error that names the field", "[record]") {
    const auto changed = [](auto change) {
        nlohmann::json line = nlohmann::json::parse(to_json(make_record()));
        change(line);
        return record_from_json(line.dump()).status().message();
    };
    using nlohmann::json;
    const auto contains = [](const std::string& text, const char* part) {
        INFO(text);
        CHECK(text.find(part) != std::string::npos);
    };
    contains(changed([](json& line) { line["median_ns"] = 900; }), "median_ns: expected 1000");
    contains(changed([](json& line) { line["mad_ns"] = 0; }), "mad_ns: expected 10");
    contains(changed([](json& line) { line["ns"][1] = -5; }), "ns[1]: expected a number > 0");
    contains(changed([](json& line) { line["ns"][1] = "fast"; }), "ns[1]");
    contains(changed([](json& line) { line["ns"] = 5; }), "ns: expected an array");
    contains(changed([](json& line) { line["verified"] = false; }), "verified: expected true");
    contains(changed([](json& line) { line["error"] = "crashed"; }), "error: expected samples or an error");
    contains(changed([](json& line) { line.erase("kernels"); }), "kernels");
    contains(changed([](json& line) { line["colour"] = "red"; }), "colour");
    contains(changed([](json& line) { line["key"]["isa"] = "mmx"; }), "key.isa");
    contains(changed([](json& line) { line["key"]["m"] = 0; }), "key.m");
    contains(changed([](json& line) { line["key"] = 3; }), "key");
    contains(changed([](json& line) { line["params"] = 3; }), "params: expected an object");
    contains(changed([](json& line) { line["source"] = "guessed"; }), "source");
    CHECK_FALSE(record_from_json("[]").ok());
    CHECK_FALSE(record_from_json("").ok());
}

TEST_CASE("Any prefix of a line is none", "[record]") {
    const std::string line = to_json(make_record());
    for (std::size_t length = 0; length < line.size(); ++length)
        CHECK_FALSE(record_from_json(line.substr(0, length)).ok());
}

TEST_CASE("A model's figures need no verification and stay apart", "[record]") {
    Record record = make_record();
    record.source = Source::kModel;
    record.verified = false;
    REQUIRE(record_from_json(to_json(record)).ok());
    CHECK(record_from_json(to_json(record)).value().source == Source::kModel);
}

TEST_CASE("Sessions of the same second have names of their own", "[record]") {
    std::set<std::string> names;
    for (int i = 0; i < 20; ++i)
        names.insert(new_session("kind"));
    CHECK(names.size() == 20);
    CHECK(names.begin()->starts_with("kind.20"));
}
