// Modules that tensors are, and the matrices [n, k] that they hold, whichever way they lie.
#include "inputs/weight_modules.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "inputs/float8.h"
#include "inputs/tensor_values.h"
#include "tests/inputs/safetensors_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using octile::test::safetensors_bytes;
using octile::test::TempFolder;
using octile::test::TestTensor;

namespace {

Checkpoint open(const std::string& bytes) {
    const TempFolder folder;  // the mapping outlives the name
    Result<Checkpoint> file = Checkpoint::open(folder.write("net.safetensors", bytes), InputFormat::kSafetensors);
    INFO(file.status().message());
    REQUIRE(file.ok());
    return std::move(file).value();
}

// One tensor x of these bytes.
template <typename Element>
Checkpoint open_one(const std::string& name, const std::string& dtype, const std::string& shape,
                    const std::vector<Element>& elements) {
    std::string data(elements.size() * sizeof(Element), '\0');
    std::memcpy(data.data(), elements.data(), data.size());
    return open(safetensors_bytes("{\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
                                      "],\"data_offsets\":[0," + std::to_string(data.size()) + "]}}",
                                  data));
}

std::vector<float> counted(std::size_t count) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; i++)
        values[i] = static_cast<float>(i);
    return values;
}

WeightModules find(const Checkpoint& file, const WeightRules& rules = {}) {
    Result<WeightModules> found = find_weight_modules(file, rules);
    INFO(found.status().message());
    REQUIRE(found.ok());
    return std::move(found).value();
}

}  // namespace

TEST_CASE("weight matrix: as it lies, transposed, and rows of it") {
    const Checkpoint file = open_one("x", "F32", "2,3", counted(6));
    const TensorInfo& tensor = *file.find("x");
    const WeightMatrix straight = WeightMatrix::of(tensor), turned = WeightMatrix::of(tensor, true);
    CHECK((straight.n == 2 && straight.k == 3 && straight.in_place()));
    CHECK((turned.n == 3 && turned.k == 2 && !turned.in_place()));
    CHECK(values_of(straight) == std::vector<float>{0, 1, 2, 3, 4, 5});
    CHECK(values_of(turned) == std::vector<float>{0, 3, 1, 4, 2, 5});
    CHECK(values_of(straight.rows(1, 1)) == std::vector<float>{3, 4, 5});
    CHECK(values_of(turned.rows(1, 2)) == std::vector<float>{1, 4, 2, 5});
    CHECK(values_of(turned.rows(1, 2).rows(1, 1)) == std::vector<float>{2, 5});
    CHECK(straight.rows(1, 1).span().data() == tensor.data.data() + 12);
    CHECK(straight.rows(1, 1).bytes() == 12);
}

TEST_CASE("weight matrix: a column or a row is no transposed matrix") {
    const Checkpoint column = open_one("x", "F32", "3,1", counted(3)), row = open_one("x", "F32", "1,3", counted(3));
    for (const bool transposed : {false, true}) {
        CHECK(values_of(WeightMatrix::of(*column.find("x"), transposed)) == counted(3));
        CHECK(values_of(WeightMatrix::of(*row.find("x"), transposed)) == counted(3));
    }
    CHECK(WeightMatrix::of(*row.find("x"), true).n == 3);
}

TEST_CASE("weight matrix: scales by block, by row and as a whole") {
    const Checkpoint file = open(safetensors_bytes({{"x", {5, 5}}, {"s", {3, 2}}}));
    WeightMatrix weights = WeightMatrix::of(*file.find("x"));
    // The builder's bytes are all 1.
    const float one = 0x1.020202p-125f;
    weights.scale = {.tensor = file.find("s"), .block_rows = 2, .block_columns = 3};
    for (const float value : values_of(weights))
        CHECK(value == one * one);

    const std::vector<float> scales = {1, 2, 3, 4, 5, 6};
    const Checkpoint scale_file = open_one("s", "F32", "3,2", scales);
    const std::vector<float> ones(25, 1.0f);
    const Checkpoint ones_file = open_one("x", "F32", "5,5", ones);
    weights = WeightMatrix::of(*ones_file.find("x"));
    weights.scale = {.tensor = scale_file.find("s"), .block_rows = 2, .block_columns = 3};
    const std::vector<float> values = values_of(weights);
    for (std::size_t row = 0; row < 5; row++) {
        for (std::size_t column = 0; column < 5; column++)
            CHECK(values[row * 5 + column] == scales[row / 2 * 2 + column / 3]);
    }
    const std::vector<float> part = values_of(weights.rows(3, 2));  // begins inside a block
    CHECK(std::vector<float>(values.begin() + 15, values.end()) == part);
}

TEST_CASE("weight matrix: levels of a row whose scale is 0 are zeros") {
    const std::vector<std::int8_t> levels = {1, -2, 3, 127, -128, 7};
    const Checkpoint file = open_one("x", "I8", "3,2", levels);
    const Checkpoint scales = open_one("s", "F32", "3,1", std::vector<float>{0.5f, 0.0f, 2.0f});
    WeightMatrix weights = WeightMatrix::of(*file.find("x"));
    weights.scale = {.tensor = scales.find("s"), .block_rows = 1, .block_columns = 2};
    REQUIRE(weights.is_int8());
    const Int8Rows rows = int8_rows_of(weights);
    CHECK(rows.levels == std::vector<std::int8_t>{1, -2, 0, 0, -128, 7});
    CHECK(rows.scales == std::vector<float>{0.5f, 1e-8f / 127, 2.0f});
    CHECK(values_of(weights) == std::vector<float>{0.5f, -1, 0, 0, -256, 14});
    weights.scale->divisor = 127;
    CHECK(int8_rows_of(weights.rows(2, 1)).scales == std::vector<float>{2.0f / 127});
}

TEST_CASE("weight modules: torch's attention, experts, tables and norms") {
    const Checkpoint file = open(safetensors_bytes({{"attn.in_proj_weight", {12, 4}},
                                                    {"attn.in_proj_bias", {12}},
                                                    {"attn.out_proj.weight", {4, 4}},
                                                    {"attn.out_proj.bias", {4}},
                                                    {"layers.0.mlp.experts.gate_up_proj", {3, 8, 4}, "BF16"},
                                                    {"layers.0.mlp.experts.gate_up_proj_bias", {3, 8}, "BF16"},
                                                    {"embed_tokens.weight", {9, 4}},
                                                    {"norm.weight", {4}}}));
    const WeightModules found = find(file);
    CHECK(found.left_out.empty());
    REQUIRE(found.modules.size() == 5);
    const WeightModule& in = found.modules[0];
    CHECK((in.name == "attn.in_proj" && in.kind == ModuleKind::kLinear && in.weight.n == 12 && in.weight.k == 4));
    REQUIRE(in.bias);
    const WeightModule value = rows_of(in, "attn.v", 8, 4);
    CHECK((value.name == "attn.v" && value.weight.n == 4 && value.bias->shape == std::vector<std::int64_t>{4}));
    CHECK(value.bias->data.data() == in.bias->data.data() + 8 * sizeof(float));
    CHECK(value.weight.span().data() == in.weight.tensor->data.data() + 8 * 4 * sizeof(float));

    const WeightModule& experts = found.modules[2];
    CHECK((experts.name == "layers.0.mlp.experts.gate_up_proj" && experts.kind == ModuleKind::kExperts));
    CHECK(experts.tensors.size() == 2);
    const WeightModule straight = expert_of(experts, "e2", 2, false), turned = expert_of(experts, "e1", 1, true);
    CHECK((straight.weight.n == 8 && straight.weight.k == 4));
    CHECK(straight.weight.span().data() == experts.weight.tensor->data.data() + 2 * 32 * 2);
    REQUIRE(straight.bias);
    CHECK(straight.bias->data.data() == experts.bias->data.data() + 2 * 8 * 2);
    CHECK((turned.weight.n == 4 && turned.weight.k == 8));
    CHECK_FALSE(turned.bias);  // of eight
    CHECK(found.modules[3].kind == ModuleKind::kTable);
    CHECK(found.modules[4].kind == ModuleKind::kNorm);
}

TEST_CASE("weight modules: an expert that lies either way") {
    const Checkpoint file = open_one("mlp.experts.down_proj", "F32", "2,2,3", counted(12));
    const WeightModules found = find(file);
    REQUIRE(found.modules.size() == 1);
    CHECK(values_of(expert_of(found.modules[0], "e", 1, false).weight) == std::vector<float>{6, 7, 8, 9, 10, 11});
    CHECK(values_of(expert_of(found.modules[0], "e", 1, true).weight) == std::vector<float>{6, 9, 7, 10, 8, 11});
}

TEST_CASE("weight modules: what lies transposed, if somebody says so") {
    const Checkpoint file =
        open(safetensors_bytes({{"h.0.attn.c_attn.weight", {4, 12}}, {"h.0.attn.c_attn.bias", {12}}}));
    test::require_error(find_weight_modules(file, {}).status(), StatusCode::kParseError, {"transposed"});
    const WeightModules found =
        find(file, {.transposed = [](std::string_view name) { return name == "h.0.attn.c_attn"; }});
    REQUIRE(found.modules.size() == 1);
    CHECK((found.modules[0].weight.n == 12 && found.modules[0].weight.k == 4));
}

TEST_CASE("weight modules: what cannot be read is left out where it may be") {
    const Checkpoint file = open(safetensors_bytes({{"a.weight", {2, 2}, "I64"}, {"b.weight", {2, 2}}}));
    test::require_error(find_weight_modules(file, {}).status(), StatusCode::kParseError, {"a.weight", "I64"});
    const WeightModules found = find(file, {.may_leave_out = [](std::string_view) { return true; }});
    REQUIRE(found.modules.size() == 1);
    CHECK(found.modules[0].name == "b");
    REQUIRE(found.left_out.size() == 1);
    CHECK(found.left_out[0].reason == LeftOutReason::kUser);
}

TEST_CASE("tensor values: floats of eight bits") {
    const Float8Values& e4m3 = *float8_values("F8_E4M3");
    CHECK(e4m3[0x00] == 0);
    CHECK((e4m3[0x80] == 0 && std::signbit(e4m3[0x80])));
    CHECK(e4m3[0x01] == 0x1p-9f);  // smallest
    CHECK(e4m3[0x08] == 0x1p-6f);  // smallest normal
    CHECK(e4m3[0x38] == 1);
    CHECK(e4m3[0x7e] == 448);  // largest
    CHECK(e4m3[0xfe] == -448);
    CHECK(std::isnan(e4m3[0x7f]));
    CHECK(std::isnan(e4m3[0xff]));
    const Float8Values& e5m2 = *float8_values("F8_E5M2");
    CHECK(e5m2[0x01] == 0x1p-16f);
    CHECK(e5m2[0x3c] == 1);
    CHECK(e5m2[0x7b] == 57344);
    CHECK(e5m2[0x7c] == std::numeric_limits<float>::infinity());
    CHECK(e5m2[0xfc] == -std::numeric_limits<float>::infinity());
    CHECK(std::isnan(e5m2[0x7d]));
    CHECK((*float8_values("F8_E4M3FNUZ"))[0x7f] == 240);
    CHECK((*float8_values("F8_E5M2FNUZ"))[0x7f] == 57344);
    CHECK(std::isnan((*float8_values("F8_E4M3FNUZ"))[0x80]));
    CHECK((*float8_values("F8_E8M0"))[127] == 1);
    CHECK((*float8_values("F8_E8M0"))[0] == 0x1p-127f);
    CHECK(std::isnan((*float8_values("F8_E8M0"))[255]));
    CHECK(float8_values("F32") == nullptr);
}

TEST_CASE("tensor values: doubles are rounded to nearest, ties to even") {
    const std::vector<double> doubles = {0.1, 1 + 0x1p-24, 1 + 0x3p-24, -1e300, 1e-50};
    const Checkpoint file = open_one("x", "F64", "5", doubles);
    const std::vector<float> values = values_of(*file.find("x"));
    CHECK(values == std::vector<float>{0.1f, 1, 1 + 0x1p-22f, -std::numeric_limits<float>::infinity(), 0});
}
