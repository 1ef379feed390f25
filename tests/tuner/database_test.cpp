#include "tuner/database.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include "base/limits.h"
#include "tests/inputs/temp_folder.h"
#include "tests/tuner/records.h"

using namespace octile;
using namespace octile::tuner;
using octile::test::make_record;
using octile::test::TempFolder;
using octile::test::with_panel_n;

namespace {

std::string content_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// Appends, and expects no notes.
void append(const std::filesystem::path& path, const std::vector<Record>& records) {
    const Result<std::vector<std::string>> notes = append_records(path, records);
    INFO(notes.status().message());
    REQUIRE(notes.ok());
    CHECK(notes.value().empty());
}

std::vector<Record> three_records() {
    return {make_record(), with_panel_n(make_record({900, 905, 880}), 16), make_record({})};
}

}  // namespace

TEST_CASE("What is appended is read back, over several appends", "[database]") {
    const TempFolder folder;
    const auto path = folder.path() / "tuning.jsonl";
    append(path, three_records());
    append(path, {with_panel_n(make_record(), 24)});
    const Result<DatabaseContent> content = read_database(path);
    INFO(content.status().message());
    REQUIRE(content.ok());
    REQUIRE(content->records.size() == 4);
    CHECK(content->records[1] == three_records()[1]);
    CHECK(content->notes.empty());
    CHECK(validate_database(path).value().empty());
    CHECK(content_of(path).starts_with("{\"octile_tuning\":1}\n"));
}

TEST_CASE("Half a last line, of any length, is dropped, said, and made good by the next append", "[database]") {
    const TempFolder folder;
    const auto path = folder.path() / "tuning.jsonl";
    append(path, three_records());
    const std::string whole = content_of(path), next = to_json(with_panel_n(make_record(), 24)) + "\n";
    for (std::size_t length = 1; length + 1 < next.size(); length += 7) {
        folder.write("tuning.jsonl", whole + next.substr(0, length));
        const Result<DatabaseContent> content = read_database(path);
        REQUIRE(content.ok());
        CHECK(content->records.size() == 3);
        REQUIRE(content->notes.size() == 1);
        CHECK(content->notes[0].ends_with("tuning.jsonl:5: the last line is not complete and was left out"));
        CHECK(validate_database(path).value().size() == 1);
        const Result<std::vector<std::string>> notes = append_records(path, std::vector<Record>{make_record()});
        REQUIRE(notes.ok());
        CHECK(notes.value().size() == 1);
        CHECK(content_of(path) == whole + to_json(make_record()) + "\n");
    }
}

TEST_CASE("A last line that lacks only its end is whole", "[database]") {
    const TempFolder folder;
    const auto path = folder.path() / "tuning.jsonl";
    append(path, three_records());
    const std::string whole = content_of(path);
    folder.write("tuning.jsonl", whole.substr(0, whole.size() - 1));
    CHECK(read_database(path)->records.size() == 3);
    CHECK(read_database(path)->notes.empty());
    append(path, {with_panel_n(make_record(), 24)});
    CHECK(read_database(path)->records.size() == 4);
}

TEST_CASE("A torn header is a file that was never begun", "[database]") {
    const TempFolder folder;
    const auto path = folder.write("tuning.jsonl", "{\"octile_tun");
    REQUIRE(append_records(path, three_records()).ok());
    CHECK(read_database(path)->records.size() == 3);
}

TEST_CASE("Corruption of every kind is an error that names the line", "[database]") {
    const TempFolder folder;
    const auto path = folder.path() / "tuning.jsonl";
    append(path, three_records());
    const std::string whole = content_of(path);
    const std::size_t second = whole.find('\n') + 1, third = whole.find('\n', second) + 1;
    const auto rejected = [&](const std::string& text, const std::string& place) {
        folder.write("tuning.jsonl", text);
        const Result<DatabaseContent> content = read_database(path);
        REQUIRE_FALSE(content.ok());
        INFO(content.status().message());
        CHECK(content.status().code() == StatusCode::kParseError);
        CHECK(content.status().message().find(place) != std::string::npos);
        CHECK_FALSE(validate_database(path).value().empty());
    };
    rejected("", "empty");
    rejected("name,m,k,n\n", "tuning.jsonl:1: ");
    rejected("{\"octile_tuning\":2}\n", "expected version 1, found 2");
    rejected(whole.substr(second), "tuning.jsonl:1: ");
    rejected(whole.substr(0, second) + "\n" + whole.substr(second), "tuning.jsonl:2: ");
    rejected(whole.substr(0, second) + whole.substr(second + 9), "tuning.jsonl:2: ");
    std::string zeroed = whole;
    zeroed.replace(third + 4, 8, std::string(8, '\0'));
    rejected(zeroed, "tuning.jsonl:3: ");
    std::string flipped = whole;
    flipped[third + 30] = '\xff';
    rejected(flipped, "tuning.jsonl:3: ");
    rejected(whole + "{}\n", "tuning.jsonl:5: ");
    rejected(whole + "null\n" + to_json(make_record()) + "\n", "tuning.jsonl:5: ");
    rejected(whole.substr(0, whole.size() - 30) + "\n", "tuning.jsonl:4: ");

    // Nothing is appended to what is no database.
    const auto list = folder.write("list.csv", "name,m,k,n\na,1,2,3\n");
    CHECK_FALSE(append_records(list, three_records()).ok());
    CHECK(content_of(list) == "name,m,k,n\na,1,2,3\n");
    CHECK(read_database(folder.path() / "none.jsonl").status().code() == StatusCode::kIoError);
}

TEST_CASE("What is not a database keeps every byte", "[database]") {
    const TempFolder folder;
    for (const std::string text :
         {"hello", "name,m,k,n\na,1,2", "{\"octile_tuning\":2}", "{\"octile_tuning\":1}x", "\n", "{\"octile_tun\na"}) {
        const auto path = folder.write("notes.txt", text);
        INFO(text);
        CHECK_FALSE(append_records(path, three_records()).ok());
        CHECK_FALSE(read_database(path).ok());
        CHECK(content_of(path) == text);
    }
}

TEST_CASE("Devices, pipes and folders are no databases, and are not waited for", "[database]") {
    const TempFolder folder;
    const auto pipe = folder.path() / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    for (const std::filesystem::path& path :
         {pipe, std::filesystem::path("/dev/zero"), std::filesystem::path("/dev/null"), folder.path()}) {
        INFO(path);
        CHECK(read_database(path).status().code() == StatusCode::kIoError);
        CHECK(validate_database(path).status().code() == StatusCode::kIoError);
        CHECK_FALSE(append_records(path, three_records()).ok());
    }
}

TEST_CASE("A database, a line and nesting have limits, which are said", "[database]") {
    const TempFolder folder;
    const auto path = folder.path() / "tuning.jsonl";
    append(path, {make_record()});
    const std::string whole = content_of(path);
    const auto message = [&](const std::string& text) {
        folder.write("tuning.jsonl", text);
        CHECK_FALSE(validate_database(path).value().empty());
        return read_database(path).status().message();
    };
    CHECK(message(whole + "\"" + std::string(limits::kTuningLineBytes, 'a') + "\"\n")
              .find("tuning.jsonl:3: expected a line of at most 4194304 bytes, found 4194306") != std::string::npos);
    for (const char* open : {"[", "{\"a\":"}) {
        std::string deep;
        for (int i = 0; i < 200'000; ++i)
            deep += open;
        CHECK(message(whole + deep + "\n").find("tuning.jsonl:3: ") != std::string::npos);
        std::string params = to_json(make_record());
        params.replace(params.find("\"row\":{"), 6,
                       "\"row\":" + deep + "1" + std::string(200'000, *open == '[' ? ']' : '}') + ",\"x\":");
        CHECK(message(whole + params + "\n").find("levels") != std::string::npos);
    }
    folder.write("tuning.jsonl", whole);
    std::filesystem::resize_file(path, limits::kTuningBytes + 1);  // a hole
    CHECK(read_database(path).status().message().find("at most 1073741824 bytes") != std::string::npos);
    CHECK_FALSE(append_records(path, three_records()).ok());
}

TEST_CASE("Nothing is appended that would not be read back", "[database]") {
    const TempFolder folder;
    const auto path = folder.path() / "tuning.jsonl";
    append(path, {make_record()});
    const std::string whole = content_of(path);
    const auto refused = [&](auto change, const char* field) {
        Record record = make_record();
        change(record);
        // Not those before it either.
        const Result<std::vector<std::string>> notes =
            append_records(path, std::vector<Record>{with_panel_n(make_record(), 16), record});
        REQUIRE_FALSE(notes.ok());
        INFO(notes.status().message());
        CHECK(notes.status().message().find(field) != std::string::npos);
        CHECK(content_of(path) == whole);
    };
    const double infinity = std::numeric_limits<double>::infinity();
    refused([](Record& record) { record.ns = {0.04, 0.04, 0.04}; }, "ns[0]");
    refused([](Record& record) { record.ns[1] = 0; }, "ns[1]");
    refused([](Record& record) { record.ns[1] = std::nan(""); }, "ns[1]");
    refused([&](Record& record) { record.ns[2] = infinity; }, "ns[2]");
    refused([](Record& record) { record.ns[2] = 1e18; }, "ns[2]: expected nanoseconds from 0.1 to 1e15");
    refused([](Record& record) { record.job_seconds = 1e307; }, "job_seconds");
    refused([](Record& record) { record.job_seconds = -1; }, "job_seconds");
    refused([](Record& record) { record.key.m = 0; }, "key.m");
    refused([](Record& record) { record.key.kernel = "gemm_u4"; }, "key.kernel");
    refused([](Record& record) { record.key.shape_class = "small"; }, "key.class");
    refused([](Record& record) { record.key.core = "\x1b[2J"; }, "key.core");
    refused([](Record& record) { record.label = "a\nb"; }, "label");
    refused([](Record& record) { record.label = std::string(300, 'a'); }, "label");
    refused([](Record& record) { record.session = "\xc2\x9b"; }, "session");
    refused([](Record& record) { record.kernels = "\x7f"; }, "kernels");
    refused([](Record& record) { record.params["panel_n"] = 1.5; }, "params.panel_n");
    refused([](Record& record) { record.params = nullptr; }, "params");
    refused([](Record& record) { record.verified = false; }, "verified");
    // What clocks and compilers do say is kept.
    Record error = make_record({});
    error.error = "line 1\n\x1b[31mline 2";
    Record short_one = make_record({0.1, 0.14, 0.05 + 0.06});
    append(path, {error, short_one, make_record({1e15, 1e15, 5e14})});
    const Result<DatabaseContent> content = read_database(path);
    INFO(content.status().message());
    REQUIRE(content.ok());
    CHECK(content->records.size() == 4);
    CHECK(content->records[1].error == error.error);
    CHECK(content_of(path).find('\x1b') == std::string::npos);
}

TEST_CASE("No single changed byte goes unnoticed or crashes", "[database]") {
    const TempFolder folder;
    const auto path = folder.path() / "tuning.jsonl";
    append(path, {make_record()});
    const std::string whole = content_of(path);
    std::mt19937 random(1);
    for (int i = 0; i < 300; ++i) {
        std::string changed = whole;
        changed[random() % changed.size()] = static_cast<char>(random());
        folder.write("tuning.jsonl", changed);
        const Result<DatabaseContent> content = read_database(path);
        if (content.ok() && changed != whole && content->notes.empty()) {
            // A changed word or number may be another valid one; then it reads as what it says.
            REQUIRE(content->records.size() == 1);
            CHECK_FALSE(content->records[0] == make_record());
        }
    }
}

TEST_CASE("Two processes that append at once lose nothing", "[database]") {
    const TempFolder folder;
    const auto path = folder.path() / "tuning.jsonl";
    constexpr int kProcesses = 4, kRecords = 40;
    std::vector<pid_t> children;
    for (int process = 0; process < kProcesses; ++process) {
        const pid_t child = ::fork();
        if (child == 0) {
            for (int i = 0; i < kRecords; ++i) {
                Record record = make_record(std::vector<double>(50, 1.5));
                record.params["block_rows"] = i;
                record.session = std::to_string(process);
                if (!append_records(path, std::vector<Record>{record}).ok()) ::_exit(1);
            }
            ::_exit(0);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    const Result<DatabaseContent> content = read_database(path);
    INFO(content.status().message());
    REQUIRE(content.ok());
    CHECK(content->records.size() == kProcesses * kRecords);
}

TEST_CASE("Merging is commutative and idempotent, and its result is a database", "[database]") {
    const TempFolder folder;
    const auto one = folder.path() / "one.jsonl", two = folder.path() / "two.jsonl";
    append(one, three_records());
    Record later = with_panel_n(make_record(), 24);
    later.time = "2026-11-22T09:00:00Z";
    append(two, {later, make_record()});
    const auto read = [](const std::filesystem::path& path) { return read_database(path).value(); };
    const DatabaseContent a = read(one), b = read(two);
    const std::string ab = merged(std::vector{a, b}), ba = merged(std::vector{b, a});
    CHECK(ab == ba);
    const DatabaseContent both = read(folder.write("merged.jsonl", ab));
    CHECK(both.records.size() == 4);
    CHECK(merged(std::vector{both, a, b, both}) == ab);
    CHECK(merged(std::vector{a, a}) == merged(std::vector{a}));
}

TEST_CASE("Records of other kernels are named", "[database]") {
    const std::vector<KernelVersion> current = {{"gemm_s8", "0123456789abcdef"}, {"gemm_f16", "f"}};
    std::vector<Record> records = {make_record()};
    CHECK(stale_versions(records, current).empty());
    CHECK(stale_message("t.jsonl", records, current).empty());
    records.push_back(make_record());
    records.back().kernels = "ffff";
    CHECK(stale_versions(records, current) == std::vector<std::string>{"gemm_s8 ffff"});
    CHECK(stale_message("t.jsonl", records, current).find("--accept-stale") != std::string::npos);
    records.back().key.kernel = "gemm_u4";
    CHECK(stale_versions(records, current).size() == 1);
}
