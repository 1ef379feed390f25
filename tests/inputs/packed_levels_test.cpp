// Levels of few bits in words: GPTQ, AWQ and pack-quantized as their packages write them, and what is wrong with
// others.
#include "inputs/packed_levels.h"

#include <fp16.h>
#include <catch2/catch.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/inputs/status_checks.h"
#include "tests/inputs/weight_files.h"

using namespace octile;
using octile::test::find;
using octile::test::Found;
using octile::test::require_error;
using octile::test::TempFolder;
using octile::test::try_find;
using octile::test::WeightFile;

namespace {

const ReadOptions kOptions = {.tokens = 4, .skip = {}};

// Any integers, different in every place.
int some(std::int64_t row, std::int64_t column, int below) {
    return static_cast<int>((row * 7 + column * 5 + row * column * 3 + 1) % below);
}

using Integers = std::function<int(std::int64_t row, std::int64_t column)>;

// [rows, columns] packed along the rows of the file: the elements of a word are neighbours in a row.
std::vector<std::uint32_t> pack(std::int64_t rows, std::int64_t columns, int bits, const Integers& integer,
                                const std::vector<int>& order = {0, 1, 2, 3, 4, 5, 6, 7}) {
    const std::int64_t in_word = 32 / bits, words = (columns + in_word - 1) / in_word;
    std::vector<std::uint32_t> packed(static_cast<std::size_t>(rows * words));
    for (std::int64_t row = 0; row < rows; row++) {
        for (std::int64_t column = 0; column < columns; column++) {
            // Bit i * bits of a word holds its element order[i].
            std::int64_t place = 0;
            while (order[static_cast<std::size_t>(place)] != column % in_word)
                place++;
            packed[static_cast<std::size_t>(row * words + column / in_word)] |=
                static_cast<std::uint32_t>(integer(row, column)) << (place * bits);
        }
    }
    return packed;
}

// The same along the columns.
std::vector<std::uint32_t> pack_down(std::int64_t rows, std::int64_t columns, int bits, const Integers& integer) {
    const std::vector<std::uint32_t> across =
        pack(columns, rows, bits, [&](std::int64_t column, std::int64_t row) { return integer(row, column); });
    const std::int64_t words = static_cast<std::int64_t>(across.size()) / columns;
    std::vector<std::uint32_t> down(across.size());
    for (std::int64_t word = 0; word < words; word++)
        for (std::int64_t column = 0; column < columns; column++)
            down[static_cast<std::size_t>(word * columns + column)] =
                across[static_cast<std::size_t>(column * words + word)];
    return down;
}

float scale_of(std::int64_t n, std::int64_t group) {
    return 0x1p-6f * static_cast<float>(1 + some(n, group, 31));
}

std::vector<std::uint16_t> scales_f16(std::int64_t rows, std::int64_t columns, bool channels_last) {
    std::vector<std::uint16_t> scales;
    for (std::int64_t row = 0; row < rows; row++)
        for (std::int64_t column = 0; column < columns; column++)
            scales.push_back(fp16_ieee_from_fp32_value(channels_last ? scale_of(column, row) : scale_of(row, column)));
    return scales;
}

constexpr std::int64_t kN = 16, kK = 64;

struct Gptq {
    int bits = 4;
    std::int64_t group = 32;
    bool v2 = false;
    std::vector<std::int32_t> order = {};  // empty: no g_idx

    std::int64_t groups() const { return kK / group; }
    int level(std::int64_t k, std::int64_t n) const { return some(k, n, 1 << bits); }
    int zero(std::int64_t g, std::int64_t n) const { return 1 + some(g, n, (1 << bits) - 1); }

    WeightFile file(const std::string& name = "a") const {
        WeightFile file;
        file.add(name + ".qweight", "I32", {kK * bits / 32, kN},
                 pack_down(kK, kN, bits, [&](std::int64_t k, std::int64_t n) { return level(k, n); }));
        file.add(name + ".qzeros", "I32", {groups(), kN * bits / 32},
                 pack(groups(), kN, bits, [&](std::int64_t g, std::int64_t n) { return zero(g, n) - (v2 ? 0 : 1); }));
        file.add(name + ".scales", "F16", {groups(), kN}, scales_f16(groups(), kN, true));
        if (!order.empty()) file.add(name + ".g_idx", "I32", {kK}, order);
        return file;
    }

    std::vector<float> weights() const {
        std::vector<float> weights;
        for (std::int64_t n = 0; n < kN; n++) {
            for (std::int64_t k = 0; k < kK; k++) {
                const std::int64_t g = order.empty() ? k / group : order[static_cast<std::size_t>(k)];
                weights.push_back(static_cast<float>(level(k, n) - zero(g, n)) * scale_of(n, g));
            }
        }
        return weights;
    }
};

std::vector<std::int32_t> turned_order(std::int64_t group) {
    std::vector<std::int32_t> order;
    for (std::int64_t k = 0; k < kK; k++)
        order.push_back(static_cast<std::int32_t>((k * 5 + 3) % kK / group));
    return order;
}

const std::string kV2 =
    R"({"quantization_config": {"quant_method": "gptq", "checkpoint_format": "gptq_v2", "bits": 4}})";

}  // namespace

TEST_CASE("packed levels: GPTQ") {
    for (const int bits : {4, 8}) {
        for (const std::int64_t group : {16, 32, 64}) {
            for (const bool turned : {false, true}) {
                INFO(bits << " bits, groups of " << group << (turned ? ", by g_idx" : ""));
                const Gptq gptq{
                    .bits = bits, .group = group, .order = turned ? turned_order(group) : std::vector<std::int32_t>()};
                const Found found = find(gptq.file());
                const LinearTensor& linear = found.linear("a");
                CHECK((linear.layer.n == kN && linear.layer.k == kK && !linear.layer.bias));
                CHECK(linear.layer.weights == WeightForm::kInt8);
                CHECK(values_of(linear.weight) == gptq.weights());
                CHECK(found.tensors.left_out.empty());
                CHECK(found.tensors.parameters == kN * kK);
                // Any rows, and rows of rows.
                const std::vector<float> all = gptq.weights();
                CHECK(values_of(linear.weight.rows(5, 9).rows(2, 3)) ==
                      std::vector<float>(all.begin() + 7 * kK, all.begin() + 10 * kK));
            }
        }
    }
}

TEST_CASE("packed levels: zeros of GPTQ are less 1, or as they are") {
    const Gptq plain, v2{.v2 = true};
    CHECK(values_of(find(v2.file(), kOptions, kV2).linear("a").weight) == v2.weights());
    CHECK(values_of(find(plain.file(), kOptions, "{}").linear("a").weight) == plain.weights());
    CHECK(values_of(find(v2.file()).linear("a").weight) != v2.weights());
    // A file of AutoGPTQ's own says the same beside a config.json that does not.
    const TempFolder folder;
    folder.write("config.json", "{}");
    folder.write("quantize_config.json", R"({"bits": 4, "desc_act": false, "checkpoint_format": "gptq_v2"})");
    const Result<Checkpoint> file =
        Checkpoint::open(folder.write("net.safetensors", v2.file().file()), InputFormat::kSafetensors);
    REQUIRE(file.ok());
    const Result<LinearTensors> tensors = find_linear_tensors(file.value(), kOptions);
    REQUIRE(tensors.ok());
    CHECK(values_of(tensors->layers.front().weight) == v2.weights());
}

TEST_CASE("packed levels: AWQ") {
    for (const std::int64_t group : {16, 64}) {
        const std::int64_t groups = kK / group;
        const std::vector<int> order = {0, 2, 4, 6, 1, 3, 5, 7};
        const auto level = [](std::int64_t k, std::int64_t n) { return some(k, n, 16); };
        const auto zero = [](std::int64_t g, std::int64_t n) { return some(g + 2, n, 16); };
        WeightFile file;
        file.add("a.qweight", "I32", {kK, kN / 8}, pack(kK, kN, 4, level, order))
            .add("a.qzeros", "I32", {groups, kN / 8}, pack(groups, kN, 4, zero, order))
            .add("a.scales", "F16", {groups, kN}, scales_f16(groups, kN, true))
            .floats("a.bias", {kN});
        std::vector<float> weights;
        for (std::int64_t n = 0; n < kN; n++)
            for (std::int64_t k = 0; k < kK; k++)
                weights.push_back(static_cast<float>(level(k, n) - zero(k / group, n)) * scale_of(n, k / group));
        const std::string gemm = R"({"quantization_config": {"quant_method": "awq", "bits": 4, "version": "GEMM"}})";
        for (const std::string& config : {std::string(), gemm}) {
            const Found found = find(file, kOptions, config);
            CHECK((found.linear("a").layer.bias && found.linear("a").layer.k == kK));
            CHECK(values_of(found.linear("a").weight) == weights);
            CHECK(found.tensors.notes.size() == (config.empty() ? 0 : 1));  // made for inputs in floats
        }
        for (const std::string version : {"gemv", "gemv_fast", "marlin"}) {
            const std::string other =
                R"({"quantization_config": {"quant_method": "awq", "version": ")" + version + R"("}})";
            require_error(try_find(file, kOptions, other).status(), StatusCode::kParseError,
                          {"1 of 1 linears", "AWQ in the order of \"" + version + "\""});
        }
    }
}

TEST_CASE("packed levels: pack-quantized of compressed-tensors") {
    for (const int bits : {4, 8}) {
        for (const std::int64_t group : {16, 32, 61}) {
            for (const bool symmetric : {true, false}) {
                INFO(bits << " bits, groups of " << group << (symmetric ? "" : ", with zeros"));
                // By channel, K need not fill words.
                const std::int64_t k = group == 61 ? 61 : kK, n = 13, groups = k / group;
                const auto level = [&](std::int64_t row, std::int64_t column) { return some(row, column, 1 << bits); };
                const auto zero = [&](std::int64_t row, std::int64_t g) {
                    return symmetric ? 1 << (bits - 1) : some(row + 1, g, 1 << bits);
                };
                const std::int64_t in_word = 32 / bits;
                WeightFile file;
                file.add("a.weight_packed", "I32", {n, (k + in_word - 1) / in_word}, pack(n, k, bits, level))
                    .add("a.weight_scale", "F16", {n, groups}, scales_f16(n, groups, false))
                    .add("a.weight_shape", "I64", {2}, std::vector<std::int64_t>{n, k});
                if (!symmetric)
                    file.add("a.weight_zero_point", "I32", {(n + in_word - 1) / in_word, groups},
                             pack_down(n, groups, bits, zero));
                const std::string config =
                    R"({"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {"group_0":
                       {"targets": ["Linear"], "weights": {"num_bits": )" +
                    std::to_string(bits) + "}}}}}";
                const Found found = find(file, kOptions, config);
                std::vector<float> weights;
                for (std::int64_t row = 0; row < n; row++)
                    for (std::int64_t column = 0; column < k; column++)
                        weights.push_back(static_cast<float>(level(row, column) - zero(row, column / group)) *
                                          scale_of(row, column / group));
                const WeightMatrix& weight = found.linear("a").weight;
                CHECK(values_of(weight) == weights);
                CHECK(values_of(find(file).linear("a").weight) == weights);
                CHECK(found.tensors.left_out.empty());
                // One scale for each channel, and differences that are int8: taken as they are.
                CHECK(weight.is_int8() == (groups == 1 && (bits == 4 || symmetric)));
                if (!weight.is_int8()) continue;
                const Int8Rows rows = int8_rows_of(weight.rows(3, 10));
                for (std::size_t i = 0; i < rows.levels.size(); i++)
                    CHECK(rows.levels[i] * rows.scales[i / static_cast<std::size_t>(k)] ==
                          weights[i + 3 * static_cast<std::size_t>(k)]);
            }
        }
    }
}

namespace {

// W4A16 by groups of 16, with whatever is put in another's place.
WeightFile pack_quantized(const std::vector<std::int32_t>& order = {}, const std::string& input = "") {
    WeightFile file;
    file.add("a.weight_packed", "I32", {8, kK / 8}, pack(8, kK, 4, [](auto n, auto k) { return some(n, k, 16); }))
        .add("a.weight_scale", "F16", {8, 4}, scales_f16(8, 4, false))
        .add("a.weight_shape", "I64", {2}, std::vector<std::int64_t>{8, kK});
    if (!order.empty()) file.add("a.weight_g_idx", "I32", {static_cast<std::int64_t>(order.size())}, order);
    if (!input.empty()) file.add(input, "F32", {1}, std::vector<float>{0.25f});
    return file;
}

}  // namespace

TEST_CASE("packed levels: pack-quantized by an order of activations, with zeros of I8, and with inputs of int8") {
    const std::vector<float> plain = values_of(find(pack_quantized()).linear("a").weight);
    const std::vector<float> turned = values_of(find(pack_quantized(turned_order(16))).linear("a").weight);
    CHECK(values_of(find(pack_quantized(std::vector<std::int32_t>(kK, -1))).linear("a").weight) == plain);
    for (std::int64_t k = 0; k < kK; k++) {
        const std::int64_t g = turned_order(16)[static_cast<std::size_t>(k)];
        CHECK(turned[static_cast<std::size_t>(kK + k)] == static_cast<float>(some(1, k, 16) - 8) * scale_of(1, g));
    }
    require_error(try_find(pack_quantized(std::vector<std::int32_t>(kK, 0))).status(), StatusCode::kParseError,
                  {"a.weight_g_idx", "group 0", "expected 16", "found 64"});

    // Before zeros were packed.
    WeightFile zeros = pack_quantized();
    zeros.add("a.weight_zero_point", "I8", {8, 4}, std::vector<std::int8_t>(32, -3));
    CHECK(values_of(find(zeros).linear("a").weight)[kK] == static_cast<float>(some(1, 0, 16) - 8 + 3) * scale_of(1, 0));

    CHECK(find(pack_quantized({}, "a.input_scale")).linear("a").input ==
          InputQuantization{.scaling = InputScaling::kStatic, .scale = 0.25f});
    const auto w4a8 = [](const std::string& inputs) {
        return R"({"quantization_config":{"quant_method":"compressed-tensors","config_groups":{"g":{"targets":["Linear"],
            "weights":{"num_bits":4},"input_activations":)" +
               inputs + "}}}}";
    };
    const Found dynamic = find(pack_quantized(), kOptions, w4a8(R"({"num_bits":8,"dynamic":true,"symmetric":true})"));
    CHECK(dynamic.linear("a").input.scaling == InputScaling::kDynamic);
    CHECK(dynamic.tensors.notes.empty());
    CHECK(find(pack_quantized(), kOptions, w4a8(R"({"num_bits":8,"dynamic":true,"symmetric":false})"))
              .linear("a")
              .input == InputQuantization{.scaling = InputScaling::kAsymmetric});
    CHECK(find(pack_quantized(), kOptions, w4a8("null")).tensors.notes.size() == 1);  // made for floats
    // A scale of floats of eight bits is none of int8.
    const Found fp8 = find(pack_quantized({}, "a.input_scale"), kOptions, w4a8(R"({"type":"float","num_bits":8})"));
    CHECK(fp8.linear("a").input.scaling == InputScaling::kDynamic);
    CHECK(fp8.tensors.notes.size() == 1);
    CHECK(fp8.tensors.left_out.empty());
}

TEST_CASE("packed levels: other numbers of bits are refused by name, and so is what else nobody reads") {
    // [K, N] = [32, 32] of so many bits.
    for (const std::int64_t bits : {2, 3}) {
        WeightFile gptq;
        gptq.bytes("q.qweight", "I32", {bits, 32}, static_cast<std::size_t>(bits) * 128)
            .bytes("q.qzeros", "I32", {1, bits}, static_cast<std::size_t>(bits) * 4)
            .bytes("q.scales", "F16", {1, 32}, 64)
            .bytes("q.g_idx", "I32", {32}, 128, 0);
        require_error(try_find(gptq).status(), StatusCode::kParseError,
                      {"1 of 1 linears", "GPTQ of " + std::to_string(bits) + " bits"});
        gptq.floats("head.weight", {8, 8});
        const LeftOut& left = find(gptq).left("q.qweight");
        CHECK(left.parameters == 1024);
        CHECK(left.reason == LeftOutReason::kFourBit);
    }
    WeightFile packed;
    packed.bytes("q.weight_packed", "I32", {32, 2}, 256)
        .bytes("q.weight_scale", "F16", {32, 1}, 64)
        .add("q.weight_shape", "I64", {2}, std::vector<std::int64_t>{32, 32});
    require_error(try_find(packed).status(), StatusCode::kParseError, {"pack-quantized", "of 2 bits"});
    require_error(try_find(Gptq().file(), kOptions, R"({"quantization_config": {"quant_method": "gptq",
                  "checkpoint_format": "marlin"}})")
                      .status(),
                  StatusCode::kParseError, {"GPTQ in the order of \"marlin\""});
    // By the user's own wish none of it matters.
    packed.floats("head.weight", {8, 8});
    CHECK(find(packed, {.tokens = 4, .skip = {}, .may_skip = "^q"}).left("q.weight_packed").reason ==
          LeftOutReason::kUser);
}

TEST_CASE("packed levels: lists of what was left in floats") {
    const std::string kept = R"({"quantization_config": {"quant_method": "gptq", "modules_to_not_convert": ["head"]}})";
    const std::string except = R"({"quantization_config": {"quant_method": "gptq", "dynamic": {"-:.*head": {}}}})";
    for (const std::string& config : {kept, except}) {
        WeightFile file = Gptq().file("net.q");
        file.floats("net.head.weight", {8, 8}).floats("net.other.weight", {8, 8});
        const Found found = find(file, kOptions, config);
        CHECK(found.linear("net.head").layer.weights == WeightForm::kKeptFloat);
        CHECK(found.linear("net.other").layer.weights == WeightForm::kFloat);
        require_error(try_find(Gptq().file("net.head"), kOptions, config).status(), StatusCode::kParseError,
                      {"net.head.qweight", "ignore list", "I32"});
    }
    require_error(try_find(Gptq().file(), kOptions, R"({"quantization_config": {"quant_method": "gptq",
                  "dynamic": {"-:(": {}}}})")
                      .status(),
                  StatusCode::kParseError, {"dynamic.\"-:(\"", "regular expression"});
}

TEST_CASE("packed levels: what does not go together is one line") {
    struct Part {
        std::string dtype;
        std::vector<std::int64_t> shape;
        std::string data;
    };
    const auto part = []<typename Element>(const std::string& dtype, const std::vector<std::int64_t>& shape,
                                           const std::vector<Element>& elements) {
        return Part{dtype, shape,
                    std::string(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(Element))};
    };
    const auto zeros = [](const std::string& dtype, const std::vector<std::int64_t>& shape, std::size_t bytes) {
        return Part{dtype, shape, std::string(bytes, '\0')};
    };
    using Parts = std::map<std::string, Part>;
    const Parts gptq = {{".qweight", zeros("I32", {8, 16}, 512)},
                        {".qzeros", zeros("I32", {2, 2}, 16)},
                        {".scales", zeros("F16", {2, 16}, 64)},
                        {".g_idx", zeros("I32", {64}, 256)}};
    const Parts awq = {{".qweight", zeros("I32", {64, 2}, 512)},
                       {".qzeros", zeros("I32", {2, 2}, 16)},
                       {".scales", zeros("F16", {2, 16}, 64)}};
    const Parts packed = {{".weight_packed", zeros("I32", {16, 8}, 512)},
                          {".weight_scale", zeros("BF16", {16, 2}, 64)},
                          {".weight_shape", part("I64", {2}, std::vector<std::int64_t>{16, 64})},
                          {".weight_zero_point", zeros("I32", {2, 2}, 16)}};
    const auto try_parts = [](const Parts& parts) {
        WeightFile file;
        for (const auto& [ending, one] : parts)
            file.add("a" + ending, one.dtype, one.shape, std::vector<char>(one.data.begin(), one.data.end()));
        return try_find(file).status();
    };
    for (const Parts* const parts : {&gptq, &awq, &packed}) {
        const Status status = try_parts(*parts);
        INFO(status.message());
        CHECK(status.ok());  // a scale of 0 is a group of zeros
    }
    std::vector<std::int32_t> beyond(64), below(64);
    beyond[5] = 2;
    below[63] = -1;
    std::vector<std::uint16_t> not_a_number(32), negative(32), infinite(32);
    not_a_number[7] = 0x7e00;
    negative[7] = 0x8400;
    infinite[31] = 0x7c00;
    struct Case {
        const Parts& form;
        std::string ending;
        std::optional<Part> other;  // nothing: it is not there
        std::vector<std::string> says;
    };
    for (const Case& wrong : std::vector<Case>{
             {gptq, ".qzeros", std::nullopt, {"a.qweight", "expected \"a.qzeros\""}},
             {gptq, ".scales", std::nullopt, {"a.qweight", "expected \"a.scales\""}},
             {gptq, ".qzeros", zeros("I32", {2, 3}, 24), {"a.qzeros", "[2, 2]", "[2, 3]"}},
             {gptq, ".qzeros", zeros("I32", {3, 2}, 24), {"a.qzeros", "[2, 2]", "[3, 2]"}},
             {gptq, ".qzeros", zeros("F32", {2, 2}, 16), {"a.qzeros", "dtype", "I32", "F32"}},
             {gptq, ".scales", zeros("I8", {2, 16}, 32), {"a.scales", "dtype", "F16", "I8"}},
             {gptq, ".scales", zeros("F16", {32}, 64), {"a.scales", "[32, 16]", "[32]"}},
             {gptq, ".g_idx", zeros("I32", {56}, 224), {"a.g_idx", "[64]", "[56]"}},
             {gptq, ".g_idx", zeros("I8", {64}, 64), {"a.g_idx", "dtype", "I8"}},
             {gptq, ".g_idx", part("I32", {64}, beyond), {"a.g_idx", "element 5", "0 to 1", "found 2"}},
             {gptq, ".g_idx", part("I32", {64}, below), {"a.g_idx", "element 63", "found -1"}},
             {gptq, ".scales", part("F16", {2, 16}, not_a_number), {"a.scales", "finite", "nan"}},
             {gptq, ".scales", part("F16", {2, 16}, infinite), {"a.scales", "finite", "inf"}},
             {gptq, ".scales", part("F16", {2, 16}, negative), {"a.scales", "0 and above", "-"}},
             {awq, ".qzeros", std::nullopt, {"a.qweight", "expected \"a.qzeros\""}},
             {awq, ".qzeros", zeros("I32", {2, 1}, 8), {"a.qzeros", "[2, 2]", "[2, 1]"}},
             {awq, ".scales", zeros("F16", {3, 16}, 96), {"a.scales", "divide K = 64", "[3, 16]"}},
             {packed, ".weight_scale", std::nullopt, {"a.weight_packed", "expected \"a.weight_scale\""}},
             {packed, ".weight_shape", std::nullopt, {"a.weight_packed", "expected \"a.weight_shape\""}},
             {packed, ".weight_scale", zeros("BF16", {16, 3}, 96), {"a.weight_scale", "divide K = 64", "[16, 3]"}},
             {packed, ".weight_scale", zeros("BF16", {15, 2}, 60), {"a.weight_scale", "[16, 2]", "[15, 2]"}},
             {packed, ".weight_zero_point", zeros("I32", {1, 2}, 8), {"a.weight_zero_point", "[2, 2]", "[1, 2]"}},
             {packed, ".weight_shape", zeros("F32", {4}, 16), {"a.weight_shape", "I64 [2]", "F32 [4]"}},
             {packed,
              ".weight_shape",
              part("I64", {2}, std::vector<std::int64_t>{16, std::int64_t{1} << 62}),
              {"a.weight_shape", "[16, 8]", "4611686018427387904"}},
             {packed, ".weight_shape", part("I64", {2}, std::vector<std::int64_t>{-16, 64}), {"a.weight_shape", "-16"}},
         }) {
        INFO(wrong.ending << ": " << wrong.says.back());
        Parts parts = wrong.form;
        parts.erase(wrong.ending);
        if (wrong.other) parts.emplace(wrong.ending, *wrong.other);
        require_error(try_parts(parts), StatusCode::kParseError, wrong.says);
    }
}
