// Packed files written by hand: what open() makes of them, whole and damaged.
#include "octile/packed_model.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "octile/planner.h"
#include "packed/packed_file.h"
#include "packed/packed_writer.h"
#include "runtime/linear_parts.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"
#include "tests/kernels/run_layer.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"

namespace octile::test {
namespace {

constexpr std::int64_t kK = 61, kN = 37;

std::vector<float> weights_of(std::string_view name) {
    Random random{std::string(name)};
    return make_values(random, kN, kK, Fill::kNormal);
}

Linear packed(std::string_view name, const LinearOptions& options, IsaSet isas, bool gated = false) {
    const std::vector<float> weights = weights_of(name), up = weights_of(std::string(name) + " up");
    const std::vector<float> bias(static_cast<std::size_t>(kN), 0.25f);
    const MatrixView w{weights.data(), DataType::kF32, kN, kK, kK}, u{up.data(), DataType::kF32, kN, kK, kK};
    return must(gated ? Linear::pack_gated(w, bias, u, {}, options, isas) : Linear::pack(w, bias, options, isas));
}

// Writes `linears` with the panels that they have.
class FileBuilder {
  public:
    explicit FileBuilder(std::filesystem::path path) : writer_(std::move(path)) {}

    void add(std::string name, const Linear& linear) { linears_.push_back({std::move(name), &linear}); }
    void add(TensorEntry entry, std::vector<std::byte> data) {
        tensors_.push_back({std::move(entry), std::move(data)});
    }

    PackedDirectory directory;
    std::function<void(PackedDirectory&)> change;  // what a wrong program would have written

    Status write() {
        std::vector<std::pair<SectionWriter, std::span<const std::byte>>> sections;
        const auto reserve = [&](std::span<const std::byte> bytes) {
            sections.emplace_back(writer_.reserve(bytes.size()), bytes);
        };
        for (const auto& [name, linear] : linears_) {
            const LinearParts parts = LinearParts::of(*linear);
            reserve(parts.panels);
            if (!parts.steps.empty()) reserve(parts.steps);
            reserve(std::as_bytes(parts.bias));
            if (is_quantized(parts.options.precision)) {
                reserve(std::as_bytes(parts.column_scale));
                reserve(std::as_bytes(parts.column_sum));
            }
            if (!parts.options.input_multiplier.empty()) reserve(std::as_bytes(parts.options.input_multiplier));
        }
        for (const auto& [entry, data] : tensors_)
            reserve(data);
        if (Status status = writer_.start(); !status.ok()) return status;
        std::vector<Section> written;
        for (auto& [section, bytes] : sections) {
            if (Status status = writer_.write(section, bytes); !status.ok()) return status;
            written.push_back(writer_.end(section));
        }
        auto next = written.begin();
        for (const auto& [name, linear] : linears_) {
            const LinearParts parts = LinearParts::of(*linear);
            LinearEntry entry;
            entry.name = name;
            entry.precision = parts.options.precision;
            entry.activation = parts.options.activation;
            entry.input_scaling = parts.options.input_scaling;
            entry.input_scale = parts.options.input_scale;
            entry.k = parts.k;
            entry.n = parts.n;
            entry.gated = parts.matrices == 2;
            entry.channels = parts.padded_n;
            entry.panels = {{parts.layout, parts.padded_n, *next++}};
            if (!parts.steps.empty()) entry.panels[0].steps = *next++;
            entry.bias = *next++;
            if (is_quantized(entry.precision)) {
                entry.column_scale = *next++;
                entry.column_sum = *next++;
            }
            if (!parts.options.input_multiplier.empty()) entry.input_multiplier = *next++;
            directory.linears.push_back(entry);
        }
        for (auto& [entry, data] : tensors_) {
            entry.section = *next++;
            directory.tensors.push_back(entry);
        }
        if (change) change(directory);
        return writer_.finish(directory);
    }

  private:
    PackedWriter writer_;
    std::vector<std::pair<std::string, const Linear*>> linears_;
    std::vector<std::pair<TensorEntry, std::vector<std::byte>>> tensors_;
};

Plan small_plan() {
    const Model model{"small",
                      {{.name = "int8", .m = 4, .k = kK, .n = kN}, {.name = "fp16", .m = 4, .k = kK, .n = kN}}};
    const Result<Plan> plan = make_plan(model, {.min_ratio = 1000, .forces = {{"int8", Precision::kInt8}}});
    REQUIRE(plan.ok());
    return plan.value();
}

TensorEntry tensor(std::string name, std::string dtype, std::vector<std::int64_t> shape) {
    return {std::move(name), std::move(dtype), std::move(shape), {}};
}

// A file with everything in it, of the panels that `isas` read.
std::filesystem::path write_file(const TempFolder& folder, IsaSet isas,
                                 std::function<void(PackedDirectory&)> change = {}) {
    const std::filesystem::path path = folder.path() / "x.octile";
    const std::vector<float> multiplier(static_cast<std::size_t>(kK), 0.5f);
    const Linear int8 = packed("int8", {.activation = Activation::kGelu, .input_multiplier = multiplier}, isas);
    const Linear fp16 = packed("fp16", {.precision = Precision::kFp16}, isas);
    const Linear pair = packed("pair", {.activation = Activation::kSilu}, isas, true);
    const Linear fixed = packed("fixed", {.input_scaling = InputScaling::kStatic, .input_scale = 0.02f}, isas);
    FileBuilder builder(path);
    builder.directory.producer = "test";
    builder.directory.source_bytes = 12345;
    builder.directory.plan = small_plan();
    builder.directory.graph = R"({"nodes": "ä \"quoted\""})";
    builder.add("int8", int8);
    builder.add("fp16", fp16);
    builder.add("pair", pair);
    builder.add("fixed", fixed);
    builder.add(tensor("norm.weight", "F32", {3}), std::vector<std::byte>(12, std::byte{0x3f}));
    builder.add(tensor("table", "BF16", {5, 2, 4}), std::vector<std::byte>(80, std::byte{0x40}));
    builder.add(tensor("ids", "I64", {2}), std::vector<std::byte>(16, std::byte{1}));
    builder.add(tensor("none", "F32", {0, 7}), {});
    builder.change = std::move(change);
    const Status status = builder.write();
    INFO(status.message());
    REQUIRE(status.ok());
    return path;
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("packed model: what was written is there, in place") {
    const TempFolder folder;
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        const auto path = write_file(folder, level.isas);
        std::vector<std::string> notes;
        const Result<PackedModel> model = PackedModel::open(path, level.isas, &notes);
        INFO(model.status().message());
        REQUIRE(model.ok());
        CHECK(notes.empty());
        CHECK(model->plan() == small_plan());
        CHECK(model->graph() == R"({"nodes": "ä \"quoted\""})");
        const std::shared_ptr<const Parameters> parameters = model->parameters();
        REQUIRE(parameters->linears().size() == 4);
        Random random("rows");
        const std::vector<float> x = make_values(random, 5, kK, Fill::kNormal),
                                 multiplier(static_cast<std::size_t>(kK), 0.5f);
        const auto check = [&](const char* name, const Linear& expected) {
            const Linear* linear = parameters->linear(name);
            REQUIRE(linear != nullptr);
            CHECK(linear->activation() == expected.activation());
            CHECK(linear->precision() == expected.precision());
            CHECK(first_difference(run_layer(*linear, DataType::kF32, x, 5, DataType::kF32),
                                   run_layer(expected, DataType::kF32, x, 5, DataType::kF32).values()) == "");
        };
        check("int8", packed("int8", {.activation = Activation::kGelu, .input_multiplier = multiplier}, level.isas));
        check("fp16", packed("fp16", {.precision = Precision::kFp16}, level.isas));
        check("pair", packed("pair", {.activation = Activation::kSilu}, level.isas, true));
        check("fixed", packed("fixed", {.input_scaling = InputScaling::kStatic, .input_scale = 0.02f}, level.isas));

        REQUIRE(model->tensors().size() == 4);
        CHECK(model->tensors()[2].dtype == "I64");
        const MatrixView* norm = parameters->tensor("norm.weight");
        REQUIRE(norm != nullptr);
        CHECK((norm->rows == 1 && norm->columns == 3 && norm->type == DataType::kF32));
        const MatrixView* table = parameters->tensor("table");
        REQUIRE(table != nullptr);
        CHECK((table->rows == 10 && table->columns == 4 && table->type == DataType::kBF16));
        CHECK(std::memcmp(table->data, std::string(80, '\x40').data(), 80) == 0);
        CHECK(parameters->tensor("ids") == nullptr);
        CHECK(parameters->tensor("none") == nullptr);
        CHECK(model->figures().repacked_bytes == 0);
        CHECK(model->figures().file_bytes == std::filesystem::file_size(path));
        CHECK(model->figures().used_bytes <= model->figures().file_bytes);
        CHECK(model->figures().used_bytes + 64 * 32 > model->figures().file_bytes);  // but for gaps
    }
}

TEST_CASE("packed model: a level that the file lacks is packed from another, said aloud, with the same bits") {
    const TempFolder folder;
    Random random("rows");
    const std::vector<float> x = make_values(random, 5, kK, Fill::kNormal);
    for (const Level& from : levels_with(KernelFamily::kGemmS8)) {
        const auto path = write_file(folder, from.isas);
        for (const Level& to : levels_with(KernelFamily::kGemmS8)) {
            std::vector<std::string> notes;
            const Result<PackedModel> model = PackedModel::open(path, to.isas, &notes);
            REQUIRE(model.ok());
            CHECK(notes.empty() == (model->figures().repacked_bytes == 0));
            if (from.isa == to.isa) CHECK(notes.empty());
            for (const std::string& note : notes) {
                CHECK(note.find("x.octile: no panels of ") != std::string::npos);
                CHECK(note.find("packed again") != std::string::npos);
            }
            const Linear expected = packed("pair", {.activation = Activation::kSilu}, to.isas, true);
            CHECK(
                first_difference(run_layer(*model->parameters()->linear("pair"), DataType::kF32, x, 5, DataType::kF32),
                                 run_layer(expected, DataType::kF32, x, 5, DataType::kF32).values()) == "");
        }
    }
}

TEST_CASE("packed model: INT4 is in files of a later version, for every level from every other, with the same bits") {
    const TempFolder folder;
    const std::filesystem::path path = folder.path() / "x.octile";
    Random random("rows");
    const std::vector<float> x = make_values(random, 5, kK, Fill::kNormal),
                             multiplier(static_cast<std::size_t>(kK), 0.5f);
    const LinearOptions smoothed{.precision = Precision::kInt4, .input_multiplier = multiplier},
        gated{.precision = Precision::kInt4, .activation = Activation::kSilu};
    for (const Level& from : levels_with(KernelFamily::kGemmS8)) {
        const Linear one = packed("one", smoothed, from.isas), pair = packed("pair", gated, from.isas, true);
        FileBuilder builder(path);
        builder.directory.producer = "test";
        builder.directory.plan = small_plan();
        builder.add("one", one);
        builder.add("pair", pair);
        REQUIRE(builder.write().ok());
        CHECK(read_file(path)[8] == 2);
        for (const Level& to : levels_with(KernelFamily::kGemmS8)) {
            std::vector<std::string> notes;
            const Result<PackedModel> model = PackedModel::open(path, to.isas, &notes);
            INFO(model.status().message());
            REQUIRE(model.ok());
            CHECK(notes.empty() == (model->figures().repacked_bytes == 0));
            if (from.isa == to.isa) CHECK(notes.empty());
            for (const std::string& note : notes)
                CHECK(note.find("no panels of INT4") != std::string::npos);
            const auto check = [&](const char* name, const Linear& expected) {
                const Linear* linear = model->parameters()->linear(name);
                REQUIRE(linear != nullptr);
                CHECK(linear->precision() == Precision::kInt4);
                CHECK(linear->bytes() <= expected.bytes());  // of the file: without the padding of memory
                CHECK(first_difference(run_layer(*linear, DataType::kF32, x, 5, DataType::kF32),
                                       run_layer(expected, DataType::kF32, x, 5, DataType::kF32).values()) == "");
            };
            check("one", packed("one", smoothed, to.isas));
            check("pair", packed("pair", gated, to.isas, true));
        }
    }
    // What Octile wrote before there was INT4 cannot hold it.
    const Result<PackedFile> file = PackedFile::open(path);
    REQUIRE(file.ok());
    CHECK(file->version() == kInt4Version);
    PackedHeader header;
    header.directory_offset = std::filesystem::file_size(path);
    require_error(directory_from_json(to_json(file->directory()), header).status(), StatusCode::kParseError,
                  {"linears[0].precision", "version 2"});
    header.version = kInt4Version;
    CHECK(directory_from_json(to_json(file->directory()), header).ok());
    PackedDirectory changed = file->directory();
    changed.linears[0].panels[0].steps.reset();
    require_error(directory_from_json(to_json(changed), header).status(), StatusCode::kParseError, {"steps"});
    changed = file->directory();
    changed.linears[1].panels[0].steps->bytes += 64;
    require_error(directory_from_json(to_json(changed), header).status(), StatusCode::kParseError,
                  {"linears[1].panels[0].steps.bytes", "as shape and type say"});
    changed = file->directory();
    changed.linears[0].panels[0].padded_n -= changed.linears[0].panels[0].layout.panel_n;
    require_error(directory_from_json(to_json(changed), header).status(), StatusCode::kParseError,
                  {"linears[0].panels[0].padded_n"});
}

// s4 or c8 that no layer has, under a checksum that agrees.
TEST_CASE("packed model: steps of INT4 that cannot be") {
    const TempFolder folder;
    const std::filesystem::path path = folder.path() / "x.octile";
    const Linear linear = packed("one", {.precision = Precision::kInt4}, supported_isas());
    const LinearParts parts = LinearParts::of(linear);
    // Not const where Linear made it.
    auto* steps = const_cast<std::byte*>(parts.steps.data());
    const std::byte s4 = steps[0], c8 = steps[parts.layout.panel_n];
    const auto open = [&] {
        FileBuilder builder(path);
        builder.directory.producer = "test";
        builder.directory.plan = small_plan();
        builder.add("one", linear);
        REQUIRE(builder.write().ok());
        return PackedModel::open(path, supported_isas()).status();
    };
    CHECK(open().ok());
    steps[0] = s4 & std::byte{0xf0};
    require_error(open(), StatusCode::kParseError, {"one: steps: group 0, column 0", "s4 is 0"});
    steps[0] = s4;
    steps[parts.layout.panel_n] = std::byte{0x80};
    require_error(open(), StatusCode::kParseError, {"one: steps: group 0, column 0", "c8 -128"});
    steps[parts.layout.panel_n] = std::byte{127};
    require_error(open(), StatusCode::kParseError, {"one: steps: group 0, column 0", "c8 127"});
    steps[parts.layout.panel_n] = c8;
    CHECK(open().ok());
}

TEST_CASE("packed model: parameters keep the file mapped") {
    const TempFolder folder;
    std::shared_ptr<const Parameters> parameters;
    {
        const Result<PackedModel> model = PackedModel::open(write_file(folder, supported_isas()), supported_isas());
        REQUIRE(model.ok());
        parameters = model->parameters();
    }
    std::filesystem::remove(folder.path() / "x.octile");
    const std::vector<float> x(static_cast<std::size_t>(kK), 1.0f);
    CHECK(run_layer(*parameters->linear("fp16"), DataType::kF32, x, 1, DataType::kF32).at(0, 0) != 0);
}

TEST_CASE("packed model: every changed byte is an error, or changes nothing that is read") {
    const TempFolder folder;
    const std::string bytes = read_file(write_file(folder, supported_isas()));
    const Result<PackedFile> whole = PackedFile::open(folder.path() / "x.octile");
    REQUIRE(whole.ok());
    std::vector<bool> read(bytes.size(), false);
    std::fill_n(read.begin(), kPackedHeaderBytes, true);
    for (const PackedFile::NamedSection& named : whole->sections())
        std::fill_n(read.begin() + static_cast<std::ptrdiff_t>(named.section.offset), named.section.bytes, true);
    const std::size_t directory = bytes.size() - (whole->overhead_bytes() - kPackedHeaderBytes);
    std::fill(read.begin() + static_cast<std::ptrdiff_t>(directory), read.end(), true);
    Random random("flips");
    std::size_t gaps = 0;
    // Arm's files are opened under an emulator, where all of them would take minutes.
#if defined(__aarch64__)
    constexpr std::size_t kStep = 31;
#else
    constexpr std::size_t kStep = 1;
#endif
    const auto path = folder.write("changed.octile", bytes);
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    const auto put = [&](std::size_t at, char byte) {
        file.seekp(static_cast<std::streamoff>(at)).put(byte).flush();
        REQUIRE(file.good());
    };
    for (std::size_t at = 0; at < bytes.size(); at += kStep) {
        put(at, static_cast<char>(bytes[at] ^ static_cast<char>(1u << random.below(8))));
        const Result<PackedModel> model = PackedModel::open(path, supported_isas());
        put(at, bytes[at]);
        if (!read[at]) {
            gaps++;
            if (!model.ok()) FAIL("byte " << at << " is in a gap: " << model.status().message());
            continue;
        }
        const std::string& message = model.status().message();
        const bool refused = !model.ok() && model.status().code() == StatusCode::kParseError &&
                             message.find("changed.octile: ") != std::string::npos && internal::is_printable(message);
        if (!refused) FAIL("byte " << at << " of " << bytes.size() << ": " << message);
    }
    CHECK(gaps < 64 * 32);
}

TEST_CASE("packed model: a file cut short or lengthened anywhere is refused") {
    const TempFolder folder;
    const std::string bytes = read_file(write_file(folder, supported_isas()));
    for (std::size_t length = 0; length < bytes.size(); length += length < 200 ? 1 : 97) {
        const auto path = folder.write("cut.octile", bytes.substr(0, length));
        require_error(PackedModel::open(path, supported_isas()).status(), StatusCode::kParseError,
                      {"cut.octile: ", "expected"});
    }
    require_error(PackedModel::open(folder.write("long.octile", bytes + 'x'), supported_isas()).status(),
                  StatusCode::kParseError, {"long.octile: ", "bytes"});
}

TEST_CASE("packed model: other files, versions and things are refused in words") {
    const TempFolder folder;
    const auto open = [&](const std::filesystem::path& path) {
        return PackedModel::open(path, supported_isas()).status();
    };
    require_error(open(folder.path() / "absent"), StatusCode::kIoError, {"absent: ", "No such file"});
    require_error(open(folder.path()), StatusCode::kIoError, {"directory"});
    require_error(open(folder.write("empty", "")), StatusCode::kParseError, {"empty: ", "packed file"});
    require_error(open(folder.write("text", std::string(1000, 'x'))), StatusCode::kParseError, {"packed file"});
    std::string newer = read_file(write_file(folder, supported_isas()));
    newer[8] = 4;
    require_error(open(folder.write("newer", newer)), StatusCode::kParseError, {"version 1 to 3", "found 4", "newer"});
    require_error(PackedModel::open(write_file(folder, supported_isas()), IsaSet()).status(), StatusCode::kUnsupported,
                  {"x.octile: ", "no int8 kernel"});
}

TEST_CASE("packed model: numbers that cannot be, under checksums that agree") {
    const TempFolder folder;
    const auto refused = [&](const std::vector<std::string>& words, std::function<void(PackedDirectory&)> change) {
        const auto path = write_file(folder, supported_isas(), std::move(change));
        require_error(PackedModel::open(path, supported_isas()).status(), StatusCode::kParseError, words);
    };
    refused({"linears[0].panels[0].section.offset", "multiple of 64"},
            [](PackedDirectory& d) { d.linears[0].panels[0].section.offset += 4; });
    refused({"linears[1].bias.offset", "before the directory"},
            [](PackedDirectory& d) { d.linears[1].bias.offset = std::uint64_t{1} << 62; });
    refused({"linears[0].panels[0].section.offset"},
            [](PackedDirectory& d) { d.linears[0].panels[0].section.offset = 0; });
    refused({"linears[0].column_sum.bytes", "as shape and type say"},
            [](PackedDirectory& d) { d.linears[0].column_sum->bytes += 64; });
    refused({"linears[0].k"}, [](PackedDirectory& d) { d.linears[0].k = kMaxReduction + 1; });
    refused({"linears[0].k"}, [](PackedDirectory& d) { d.linears[0].k = 0; });
    refused({"linears[1].n"}, [](PackedDirectory& d) { d.linears[1].n = -1; });
    refused({"linears[1].channels", "weights in all"}, [](PackedDirectory& d) {
        d.linears[1].k = d.linears[1].n = std::int64_t{1} << 30;
        d.linears[1].channels = std::int64_t{1} << 30;
    });
    refused({"linears[0].panels[0].section.bytes"}, [](PackedDirectory& d) { d.linears[0].k += 16; });
    refused({"linears[0].panels[0].padded_n"}, [](PackedDirectory& d) { d.linears[0].panels[0].padded_n = kN; });
    refused({"linears[0].panels[0].k_block"}, [](PackedDirectory& d) { d.linears[0].panels[0].layout.k_block = 3; });
    refused({"linears[0].panels[0].panel_n"}, [](PackedDirectory& d) { d.linears[0].panels[0].layout.panel_n = 0; });
    refused({"linears[0].panels", "at least one"}, [](PackedDirectory& d) { d.linears[0].panels.clear(); });
    refused({"linears[0].panels[0].section.bytes"}, [](PackedDirectory& d) { d.linears[0].gated = true; });
    refused({"linears[3].input_scale"}, [](PackedDirectory& d) { d.linears[3].input_scale = 0; });
    refused({"linears[1].name", "once"}, [](PackedDirectory& d) { d.linears[1].name = "int8"; });
    refused({"linears[1].name", "UTF-8 without control characters"},
            [](PackedDirectory& d) { d.linears[1].name = "a\nb"; });
    refused({"tensors[1].name", "once"}, [](PackedDirectory& d) { d.tensors[1].name = "norm.weight"; });
    refused({"tensors[0].dtype"}, [](PackedDirectory& d) { d.tensors[0].dtype = "F4"; });
    refused({"tensors[0].shape"}, [](PackedDirectory& d) { d.tensors[0].shape = {-3}; });
    refused({"tensors[0].shape"}, [](PackedDirectory& d) { d.tensors[0].shape = {INT64_MAX, 4}; });
    refused({"tensors[1].section.bytes"}, [](PackedDirectory& d) { d.tensors[1].shape = {5, 2, 3}; });
    refused({"int8: ", "column_scale", "output channel 0"}, [](PackedDirectory& d) {
        std::swap(d.linears[0].column_scale, d.linears[0].column_sum);  // integers are no scales: denormal, or negative
    });
    refused({"plan"}, [](PackedDirectory& d) { d.plan.min_ratio = -1; });
    refused({"producer", "UTF-8 without control characters", "\\x1b[31m"},
            [](PackedDirectory& d) { d.producer = "\x1b[31mX\n"; });
    refused({"plan.core", "UTF-8 without control characters", "\\xc2\\x9b"},
            [](PackedDirectory& d) { d.plan.core = "\xc2\x9b"; });
    refused({"plan.layers[0].kernel", "UTF-8 without control characters"},
            [](PackedDirectory& d) { d.plan.layers[0].kernel = "\xe2\x80\xae"; });
}

TEST_CASE("packed model: sections that lie apart, but for multipliers that are shared") {
    const TempFolder folder;
    const auto refused = [&](std::function<void(PackedDirectory&)> change) {
        const auto path = write_file(folder, supported_isas(), std::move(change));
        require_error(PackedModel::open(path, supported_isas()).status(), StatusCode::kParseError,
                      {"directory: sections: expected all of them apart, found "});
    };
    refused([](PackedDirectory& d) { d.linears[0].column_scale = d.linears[0].column_sum; });
    refused([](PackedDirectory& d) { d.linears[0].bias = *d.linears[0].column_sum; });
    refused([](PackedDirectory& d) { d.linears[0].panels.push_back(d.linears[0].panels[0]); });
    refused([](PackedDirectory& d) { d.tensors[0].section.offset = d.linears[0].bias.offset; });
    // A multiplier that is somebody's bias.
    refused([](PackedDirectory& d) {
        const auto smoothed = std::find_if(d.linears.begin(), d.linears.end(), [](const LinearEntry& linear) {
            return linear.input_multiplier.has_value();
        });
        REQUIRE(smoothed != d.linears.end());
        smoothed->input_multiplier->offset = d.linears[0].bias.offset;
    });
}

TEST_CASE("packed writer: what is not finished leaves the old file and nothing beside it") {
    const TempFolder folder;
    const auto path = folder.write("x.octile", "old");
    {
        PackedWriter writer(path);
        SectionWriter section = writer.reserve(100);
        REQUIRE(writer.start().ok());
        CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
        REQUIRE(writer.write(section, std::vector<std::byte>(50)).ok());
    }
    CHECK(read_file(path) == "old");
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
    PackedWriter nowhere(folder.path() / "no" / "x.octile");
    (void)nowhere.reserve(1);
    require_error(nowhere.start(), StatusCode::kIoError, {"x.octile: ", "No such file"});
    PackedWriter onto_folder(folder.path());
    require_error(onto_folder.start(), StatusCode::kIoError, {"regular file"});
}

}  // namespace
}  // namespace octile::test
