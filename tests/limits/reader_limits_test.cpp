// Readers of layer lists, configurations and archives at their bounds.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/limits.h"
#include "calibration/activations.h"
#include "inputs/benchdnn_layers.h"
#include "inputs/gguf/header.h"
#include "inputs/quantization_config.h"
#include "inputs/read_model.h"
#include "inputs/text_file.h"
#include "tests/calibration/array_builder.h"
#include "tests/inputs/gguf_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"
#include "tests/support/heap_peak.h"

using namespace octile;
using namespace octile::test;

TEST_CASE("Text: devices without an end, pipes and folders", "[text]") {
    const auto start = std::chrono::steady_clock::now();
    require_error(read_text_file("/dev/zero").status(), StatusCode::kParseError, {"/dev/zero:1:", "of at most"});
    require_error(read_model("/dev/zero", {}).status(), StatusCode::kParseError, {"/dev/zero"});
    std::vector<InputFormat> formats = {InputFormat::kSafetensors, InputFormat::kGguf};
#ifdef OCTILE_HAS_ONNX
    formats.push_back(InputFormat::kOnnx);
#endif
    for (const InputFormat format : formats) {
        require_error(read_model("/dev/zero", {.tokens = 1, .skip = {}, .format = format}).status(),
                      StatusCode::kIoError, {"/dev/zero", "expected a regular file"});
    }
    const TempFolder folder;
    const auto fifo = folder.path() / "net.safetensors";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    for (const InputFormat format : {InputFormat::kSafetensors, InputFormat::kGguf}) {
        require_error(read_model(fifo, {.tokens = 1, .skip = {}, .format = format}).status(), StatusCode::kIoError,
                      {"expected a regular file"});
    }
    require_error(Activations::open(fifo).status(), StatusCode::kIoError, {"expected a regular file"});
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

TEST_CASE("benchdnn: files that include others have an end", "[benchdnn]") {
    const TempFolder folder;
    // Each includes the next one twice: 2^13 readings of the last.
    for (int i = 0; i < 13; ++i)
        folder.write("b" + std::to_string(i),
                     "--batch=b" + std::to_string(i + 1) + "\n--batch=b" + std::to_string(i + 1));
    folder.write("b13", "mb1ic2oc3\n");
    const auto parse = [&](const std::string& text) {
        return parse_benchdnn_layers(text, folder.path() / "top").status();
    };
    require_error(parse("--batch=b0\n"), StatusCode::kParseError, {"expected at most 1000 files"});

    for (int i = 0; i < 20; ++i)
        folder.write("d" + std::to_string(i), "--batch=d" + std::to_string(i + 1) + "\n");
    require_error(parse("--batch=d0\n"), StatusCode::kParseError, {"expected at most 16 files inside each other"});

    // Eight megabytes, three times.
    folder.write("large", std::string(limits::kTextBytes / 2, '\n'));
    require_error(parse("--batch=large\n--batch=large\n--batch=large\n"), StatusCode::kParseError,
                  {"together at most 16777216 bytes"});

    std::string many = "--batch=e\n";
    for (int i = 0; i < 10; ++i)
        many += many;
    folder.write("e", "mb1ic2oc3\n");
    CHECK(parse(many.substr(0, 900 * 10)).ok());
}

TEST_CASE("gguf: memory by the lists of keys and tensors, none by what they claim", "[gguf]") {
    const auto parse = [](const std::string& bytes) {
        return parse_gguf_header(std::as_bytes(std::span(bytes)), "net.gguf");
    };
    GgufBuilder many;
    for (int i = 0; i < 20000; ++i)
        many.tensor(std::to_string(i), {}, 24, "");
    for (int i = 0; i < 20000; ++i)
        many.key(std::to_string(i), GgufBuilder::kU8, "1");
    // A vocabulary is passed over.
    many.words("words", std::vector<std::string>(100000, "a"));
    const std::string bytes = many.bytes() + std::string(64, '\0');
    CHECK(peak_of([&] { CHECK_FALSE(parse(bytes).ok()); }) < limits::kGgufMemoryPerByte * bytes.size());
    GgufBuilder empty;
    for (int i = 0; i < 20000; ++i)
        empty.tensor(std::to_string(i), {0}, 24, "");
    const std::string fitting = empty.bytes();
    CHECK(peak_of([&] { CHECK(parse(fitting).ok()); }) < limits::kGgufMemoryPerByte * fitting.size());
    const TempFolder folder;
    const auto path = folder.write("net.gguf", fitting);
    CHECK(peak_of([&] { CHECK(Checkpoint::open(path, InputFormat::kGguf).ok()); }) <
          limits::kGgufMemoryPerByte * fitting.size());
    for (const std::uint64_t claimed : {std::uint64_t{1} << 32, UINT64_MAX}) {
        const std::string lies = GgufBuilder().claim(claimed, 0).bytes();
        CHECK(peak_of([&] { CHECK_FALSE(parse(lies).ok()); }) < 10000);
    }
}

TEST_CASE("Ignore lists take memory by their size", "[config]") {
    const TempFolder folder;
    const auto path_of = [&](const std::string& entry, int times) {
        std::string list;
        for (int i = 0; i < times; ++i)
            list += std::string(i ? "," : "") + "\"" + entry + "\"";
        return folder.write("config.json", "{\"quantization_config\":{\"ignore\":[" + list + "]}}");
    };
    const auto read = [](const std::filesystem::path& path) { return QuantizationConfig::read(path).status(); };
    // Two kilobytes, which std::regex needs 400 MB for.
    const std::size_t peak =
        peak_of([&] { require_error(read(path_of("re:[a-z]{999}", 150)), StatusCode::kParseError, {"16384 states"}); });
    CHECK(peak < (std::size_t{4} << 20));
    CHECK(read(path_of("re:.*lm_head$", 500)).ok());
    require_error(read(path_of("re:(?<!a)b", 1)), StatusCode::kParseError, {"ignore[0]", "look-behind"});

    const Result<QuantizationConfig> names = QuantizationConfig::read(path_of("model.layers.0.mlp", 50'000));
    REQUIRE(names.ok());
    CHECK(names.value().ignores("model.layers.0.mlp"));
    CHECK_FALSE(names.value().ignores("model.layers.0.ml"));
}

TEST_CASE("npz: what is inflated is not held", "[npz]") {
    const TempFolder folder;
#ifdef OCTILE_HAS_ZLIB
    constexpr bool kDeflated = true;
#else
    constexpr bool kDeflated = false;
#endif
    constexpr std::int64_t kRows = 1 << 20;
    const std::string array = npy_bytes("<f4", "(1048576, 16)", std::string(kRows * 16 * 4, '\0'));
    const auto path = folder.write("a.npz", zip_bytes({{"fc.npy", array}}, kDeflated, false));
    const std::size_t peak = peak_of([&] {
        const Result<Activations> activations = Activations::open(path);
        REQUIRE(activations.ok());
        CHECK(activations.value().find("fc", 16, 64).value()->rows == 64);
        // Not even the rows that are wanted, where they are not the layer's.
        require_error(activations.value().find("fc", 17, 64).status(), StatusCode::kParseError,
                      {"expected rows of 17 features, found 16"});
    });
    CHECK(peak < array.size() / 100);
}

TEST_CASE("npz: archives that lie", "[npz]") {
    const TempFolder folder;
    const auto open = [&](const std::string& bytes) { return NpzFile::open(folder.write("a.npz", bytes)).status(); };
    const std::string array = npy_bytes("<f4", "(1, 1)", std::string(4, '\0'));

    // An end record that names a 64-bit one of which the file has only a part.
    std::string end64 = "PK\x06\x06" + std::string(20, '\0');
    std::string cut = end64.substr(0, 4) + "PK\x06\x07" + std::string(16, '\0') + "PK\x05\x06" + std::string(12, '\0');
    cut += std::string(4, '\xff') + std::string(2, '\0');
    REQUIRE(cut.size() == 46);
    require_error(open(cut), StatusCode::kParseError, {"expected an .npz archive"});

    // Two names for the same data: every one of a million would be inflated.
    const std::string two = zip_bytes({{"a.npy", array}, {"b.npy", array}}, false, false);
    std::string shared = two;
    const std::size_t entry = shared.rfind("PK\x01\x02");
    shared.replace(entry + 42, 4, std::string(4, '\0'));
    require_error(open(shared), StatusCode::kParseError, {"expected data of its own"});

    std::string twice = two;
    const std::size_t name = twice.rfind("b.npy");
    twice[name] = 'a';
    require_error(open(twice), StatusCode::kParseError, {"expected every name once, found \"a\" again"});
}
