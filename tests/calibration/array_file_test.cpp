#include "calibration/array_file.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/printable.h"
#include "calibration/activations.h"
#include "tests/calibration/array_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using octile::test::npy_bytes;
using octile::test::require_error;
using octile::test::TempFolder;
using octile::test::zip_bytes;

namespace {

Result<ArrayRows> parse(const std::string& bytes, std::int64_t max_rows = 100) {
    return parse_npy(std::as_bytes(std::span(bytes)), "x.npy", max_rows);
}

std::string floats(const std::vector<float>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6};

}  // namespace

TEST_CASE("npy: types, orders, dimensions and versions") {
    CHECK(parse(npy_bytes("<f4", "(2, 3)", floats(kSix))).value().values == kSix);
    CHECK(parse(npy_bytes("<f4", "(2, 3)", floats(kSix), false, 2)).value().values == kSix);
    CHECK(parse(npy_bytes("<f4", "(2, 3)", floats(kSix), false, 3)).value().values == kSix);
    CHECK(parse(npy_bytes("<f4", "(1, 2, 3)", floats(kSix))).value().rows == 2);
    CHECK(parse(npy_bytes("<f4", "(6,)", floats(kSix))).value().columns == 6);
    CHECK(parse(npy_bytes("<f4", "(2, 3)", floats({1, 4, 2, 5, 3, 6}), true)).value().values == kSix);
    const std::vector<double> doubles = {1, 2, 3, 4, 5, 6};
    CHECK(parse(npy_bytes("<f8", "(3,2)", {reinterpret_cast<const char*>(doubles.data()), 48})).value().values == kSix);
    CHECK(parse(npy_bytes("<f2", "(1, 2)", std::string("\x00\x3c\x00\xc0", 4))).value().values ==
          std::vector<float>{1, -2});
    // Rows are spread from the first to the last.
    std::vector<float> many(100);
    for (std::size_t i = 0; i < many.size(); ++i)
        many[i] = static_cast<float>(i);
    CHECK(parse(npy_bytes("<f4", "(100, 1)", floats(many)), 4).value().values == std::vector<float>{0, 33, 66, 99});
    CHECK(parse(npy_bytes("<f4", "(100, 1)", floats(many)), 1).value().values == std::vector<float>{0});
}

TEST_CASE("npy: what is wrong is named by field") {
    const std::string good = npy_bytes("<f4", "(2, 3)", floats(kSix));
    struct Case {
        std::string bytes;
        std::vector<std::string> words;
    };
    for (const Case& bad : std::vector<Case>{
             {"", {"expected a .npy array"}},
             {"nonsense that is long enough", {"expected a .npy array"}},
             {good.substr(0, 10), {"header: expected at most 0 bytes"}},
             {good.substr(0, 40), {"header: expected at most"}},
             {good.substr(0, good.size() - 1), {"expected 24 bytes for its shape, found 23"}},
             {good + "x", {"expected 24 bytes for its shape, found 25"}},
             {npy_bytes("<f4", "(2, 3)", floats(kSix), false, 9), {"version: expected 1 to 3, found 9"}},
             {npy_bytes("<i4", "(2, 3)", floats(kSix)), {"descr: expected '<f4'", "\"<i4\""}},
             {npy_bytes(">f4", "(2, 3)", floats(kSix)), {"descr: expected '<f4'", "\">f4\""}},
             {npy_bytes("\x1b", "(2, 3)", floats(kSix)), {"descr: expected '<f4'", "\\x1b"}},
             {npy_bytes("<f4", "()", "1234"), {"shape: expected rows of features"}},
             {npy_bytes("<f4", "(2, 0)", ""), {"shape: expected rows of features"}},
             {npy_bytes("<f4", "(0, 2)", ""), {"shape: expected at least one row"}},
             {npy_bytes("<f4", "(-2, 3)", ""), {"shape: expected a tuple of integers", "(-2, 3)"}},
             {npy_bytes("<f4", "2, 3", ""), {"shape: expected a tuple of integers"}},
             {npy_bytes("<f4", "(2 3)", ""), {"shape: expected a tuple of integers"}},
             {npy_bytes("<f4", "(99999999999999999999,)", ""), {"shape: expected a tuple of integers"}},
             {npy_bytes("<f4", "(4000000000, 4000000000)", ""), {"shape: expected a tuple of integers"}},
             {npy_bytes("<f4", "(1000000000,)", "1234"), {"expected 4000000000 bytes for its shape, found 4"}},
         }) {
        INFO(internal::quote(bad.bytes));
        require_error(parse(bad.bytes).status(), StatusCode::kParseError, bad.words);
        CHECK(parse(bad.bytes).status().message().rfind("x.npy: ", 0) == 0);
    }
    for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        require_error(parse(npy_bytes("<f4", "(2, 3)", floats({1, 2, 3, 4, wrong, 6}))).status(),
                      StatusCode::kNonFinite, {"x.npy: row 1: expected numbers"});
    }
}

TEST_CASE("npz: stored and deflated members") {
    const TempFolder folder;
    const std::string array = npy_bytes("<f4", "(2, 3)", floats(kSix));
    std::vector<bool> ways = {false};
#ifdef OCTILE_HAS_ZLIB
    ways.push_back(true);
#endif
    for (const bool deflated : ways) {
        for (const bool zip64 : {false, true}) {
            const auto path =
                folder.write("a.npz", zip_bytes({{"layer.0.fc.npy", array}, {"b.npy", array}}, deflated, zip64));
            const Result<NpzFile> file = NpzFile::open(path);
            INFO(file.status().message());
            REQUIRE(file.ok());
            CHECK(file.value().names() == std::vector<std::string>{"b", "layer.0.fc"});
            const Result<ArrayRows> rows = file.value().read("layer.0.fc", 10);
            INFO(rows.status().message());
            REQUIRE(rows.ok());
            CHECK(rows.value().values == kSix);
        }
    }
}

TEST_CASE("npz: mutations and cuts end in words") {
    const TempFolder folder;
    const std::string array = npy_bytes("<f4", "(2, 3)", floats(kSix));
#ifdef OCTILE_HAS_ZLIB
    const std::string bytes = zip_bytes({{"a.npy", array}}, true, true);
#else
    const std::string bytes = zip_bytes({{"a.npy", array}}, false, true);
#endif
    const auto check = [&](const std::string& mutated) {
        const Result<NpzFile> file = NpzFile::open(folder.write("a.npz", mutated));
        const Status status = [&] {
            if (!file.ok()) return file.status();
            for (const std::string& name : file.value().names()) {
                const Result<ArrayRows> rows = file.value().read(name, 10);
                if (!rows.ok()) return rows.status();
            }
            return Status();
        }();
        if (status.ok() || (!status.message().empty() && internal::is_printable(status.message()))) return;
        INFO(internal::quote(status.message()));
        CHECK(false);
    };
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        check(bytes.substr(0, at));
        for (const unsigned flip : {1u, 0x80u, 0xffu}) {
            std::string mutated = bytes;
            mutated[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
            check(mutated);
        }
    }
    require_error(NpzFile::open(folder.write("a.npz", "")).status(), StatusCode::kParseError,
                  {"expected an .npz archive"});
    require_error(NpzFile::open(folder.write("a.npz", zip_bytes({{"a.txt", "x"}}, false, false))).status(),
                  StatusCode::kParseError, {"member 1: expected arrays, named *.npy, found \"a.txt\""});
    require_error(NpzFile::open(folder.path() / "none.npz").status(), StatusCode::kIoError, {"No such file"});
}

TEST_CASE("activations: a folder or an archive, by layer") {
    const TempFolder folder;
    const std::string array = npy_bytes("<f4", "(2, 3)", floats(kSix));
    require_error(Activations::open(folder.path()).status(), StatusCode::kParseError,
                  {"expected a folder of .npy files"});
    folder.write("layer.0.fc.npy", array);
    folder.write("notes.txt", "x");
    folder.write("bad.npy", "x");
    const auto archive = folder.write("a.npz", zip_bytes({{"layer.0.fc.npy", array}}, false, false));
    for (const auto& path : {folder.path(), archive}) {
        const Result<Activations> activations = Activations::open(path);
        INFO(activations.status().message());
        REQUIRE(activations.ok());
        CHECK(activations.value().has("layer.0.fc"));
        CHECK(activations.value().find("layer.0.fc", 3, 10).value()->values == kSix);
        CHECK_FALSE(activations.value().find("other", 3, 10).value().has_value());
        require_error(activations.value().find("layer.0.fc", 4, 10).status(), StatusCode::kParseError,
                      {"\"layer.0.fc\": shape: expected rows of 4 features, found 3"});
    }
    CHECK(Activations::open(folder.path()).value().names() == std::vector<std::string>{"bad", "layer.0.fc"});
    require_error(Activations::open(folder.path()).value().find("bad", 3, 10).status(), StatusCode::kParseError,
                  {"bad.npy: expected a .npy array"});
    CHECK_FALSE(Activations().has("x"));
}
