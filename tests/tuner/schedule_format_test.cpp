// What a schedule may be, whoever wrote it.
#include "tuner/schedule_format.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/file_name.h"
#include "planner/kernel_info.h"
#include "tests/inputs/temp_folder.h"
#include "tests/tuner/records.h"
#include "tuner/schedule_file.h"

using namespace octile;
using namespace octile::tuner;
using nlohmann::json;
using octile::test::make_record;
using octile::test::TempFolder;

namespace {

std::string message_of(const json& entry, std::string_view kind = "int8", Isa isa = Isa::kI8mm) {
    return check_schedule_entry(entry, kind, isa, "params").message();
}

// `params` of a valid record, with a JSON patch of one value.
json with(const char* pointer, json value) {
    json entry = make_record().params;
    entry[json::json_pointer(pointer)] = std::move(value);
    return entry;
}

}  // namespace

TEST_CASE("Every schedule of the tree is one", "[schedule_format]") {
    int count = 0;
    for (const auto& file : std::filesystem::directory_iterator(OCTILE_SCHEDULES)) {
        if (file.path().extension() != ".json") continue;
        const Result<json> schedule = read_schedule(file.path());
        INFO(schedule.status().message());
        CHECK(schedule.ok());
        ++count;
    }
    CHECK(count >= 7);
    std::ifstream file(std::filesystem::path(OCTILE_SCHEDULES) / "format/bounds.json");
    const json bounds = json::parse(file);
    CHECK(bounds["reduction_padding"] == kReductionPadding);
    CHECK(registers_of_level(Isa::kAvx2) == 16);
    CHECK(registers_of_level(Isa::kI8mm) == 32);
}

TEST_CASE("An entry that no kernel can be made of is an error that names the field", "[schedule_format]") {
    REQUIRE(message_of(make_record().params).empty());
    const std::string command = "16)\nexecute_process(COMMAND touch PWNED)\nmessage(STATUS x";
    const std::vector<std::pair<json, std::string>> wrong = {
        {json(3), "params: expected an object, found 3"},
        {json::object(), "params.cell: missing"},
        {with("/colour", "red"), "params: unknown field \"colour\""},
        {with("/a\"b\n", 1), "params: unknown field \"a\\\"b\\x0a\""},
        {with("/panel", command), "params.panel: expected one of s8, u8, s16, found \"16)\\x0aexecute_process"},
        {with("/cell/1", command), "params.cell[1]: expected an integer from 1 to 16, found"},
        {with("/cell/1", 4.92234e+19), "params.cell[1]: expected an integer from 1 to 16, found 4.92234e+19"},
        {with("/cell/1", 2.0), "params.cell[1]: expected an integer"},
        {with("/cell", {2}), "params.cell: expected 2 to 2 elements, found 1"},
        {with("/k_block", 18446744073709551615u), "params.k_block: expected an integer from 1 to 16"},
        {with("/panel_m", 1000000), "params.panel_m: expected an integer from 2 to 16"},
        {with("/panel_m", -4), "params.panel_m: expected an integer from 2 to 16"},
        {with("/panel_m", 2), "params.panel_m: expected a multiple of 2 above it, found 2"},
        {with("/panel_m", 6), "params.tiles: expected every height from 1 to panel_m, 6, once, found 1, 2, 3, 4"},
        {with("/panel_n", 3), "params.panel_n: expected an integer from 4 to 128, found 3"},
        {with("/panel_n", 13), ": expected a multiple of 2 columns, found 13"},
        {with("/panel_n", 32), "params.tiles[0]: expected at most 32 registers, found"},
        {with("/tiles/1/m", 4), "params.tiles: expected every height"},
        {with("/tiles/0/unroll", 17), "params.tiles[0].unroll: expected an integer from 1 to 16, found 17"},
        {with("/tiles/0/m", json()), "params.tiles[0].m: expected an integer from 1 to 16, found null"},
        {with("/tiles", json::array()), "params.tiles: expected 1 to 16 elements, found 0"},
        {with("/row/k_split", 4), "params.row.k_split: expected chains of at most 16 elements of K, found 32"},
        {with("/row/panels", 8), "params.row: expected at most 32 registers"},
        {with("/tiles/3/panels", 3), "params.row.panels: expected a divisor of 3, the most that a tile spans"},
        {with("/order", "both"), "params.order: expected one of columns, rows, found \"both\""},
        {with("/block_rows", -1), "params.block_rows: expected an integer from 0"},
        {with("/packed_by", "mmx"), "params.packed_by: expected the name of an ISA level, found \"mmx\""},
        {with("/large", {{"panel", "u8"}}), "params.large: unknown field \"panel\""},
        {with("/large", {{"tiles", {{{"m", 4}}}}}), "params.large.tiles: expected every height"},
    };
    for (const auto& [entry, expected] : wrong) {
        const std::string message = message_of(entry);
        INFO(message);
        INFO(expected);
        CHECK(message.find(expected) != std::string::npos);
        CHECK(message.find('\n') == std::string::npos);
        CHECK(message.size() < 400);
    }
    CHECK_FALSE(message_of(make_record().params, "int2").empty());
    CHECK_FALSE(message_of(make_record().params, "fp16").empty());
}

TEST_CASE("A schedule file is held to the same, and to its own form", "[schedule_format]") {
    const json entry = make_record().params;
    const json good = {{"_", "words"}, {"chosen", {{"a", "b"}}}, {"levels", {{"i8mm", {{"int8", entry}}}}}};
    REQUIRE(check_schedule(good).ok());
    const auto message = [&](const char* pointer, json value) {
        json changed = good;
        changed[json::json_pointer(pointer)] = std::move(value);
        return check_schedule(changed).message();
    };
    CHECK(message("/levels", 3) == "levels: expected an object, found 3");
    CHECK(message("/levels/mmx", json::object()) == "levels: expected ISA levels, found \"mmx\"");
    CHECK(message("/levels/i8mm/int9", entry) == "levels.i8mm: unknown field \"int9\"");
    CHECK(message("/levels/i8mm/int8/panel_m", "x") ==
          "levels.i8mm.int8.panel_m: expected an integer from 2 to 16, found \"x\"");
    CHECK(message("/levels/i8mm/elementwise", {{"lanes", 0}}).find("levels.i8mm.elementwise.lanes: ") == 0);
    CHECK(message("/levels/i8mm/epilogue", {{"lanes", {{"f8", 4}}}}).find("levels.i8mm.epilogue.lanes: ") == 0);
    CHECK(message("/include", "x") == "schedule: unknown field \"include\"");
    CHECK(message("/_", "\x1b[2J").find("_: expected UTF-8 without control characters") == 0);
    CHECK(message("/chosen/a", "\x1b[2J").find("chosen.a: expected UTF-8") == 0);
    CHECK(check_schedule(json::array()).message() == "schedule: expected an object, found an array");

    const TempFolder folder;
    CHECK(read_schedule(folder.write("deep.json", std::string(200'000, '['))).status().code() ==
          StatusCode::kParseError);
    CHECK_FALSE(read_schedule(folder.write("large.json", std::string(schedule_file_bytes() + 1, ' '))).ok());
}

TEST_CASE("What is written is JSON, whatever the names", "[schedule_format]") {
    json schedule = {{"_", "a \"word\"\x1b"}, {"levels", {{"i8mm", {{"int8", make_record().params}}}}}};
    schedule["chosen"]["x\"\n\\"] = "y\"\n";
    schedule["levels"]["i8mm"]["a long name that is in no order \"\n\\"] = {{"b\"", 1}};
    schedule["levels"]["i8mm"]["int8"]["a field of a name that is longer than a short string's \""] = "\"\n";
    schedule["levels"]["i8mm"]["int8"]["another field of a name that is longer than a short string's"] = {1, 2};
    CHECK(json::parse(schedule_text(schedule)) == schedule);
}

TEST_CASE("Names of files are names", "[schedule_format]") {
    for (const char* name : {"a", "neoverse-n2", "a2c8e926a9", "A.b_c-d", "0"})
        CHECK(internal::is_file_name(name));
    for (const std::string name :
         {"", ".", "..", ".a", "-a", "a/b", "../a", "a b", "a\nb", "a;b", "a$b", "a\"b", "\xc3\xa4"})
        CHECK_FALSE(internal::is_file_name(name));
    CHECK(internal::is_file_name(std::string(100, 'a')));
    CHECK_FALSE(internal::is_file_name(std::string(101, 'a')));
    CHECK_FALSE(internal::is_file_name(std::string("a\0b", 3)));
}
