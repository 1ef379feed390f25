// Linears of the C API: the bits of the C++ interface with every option, and every error.
#include "octile/linear.h"

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "capi/enums.h"
#include "tests/capi/c_handles.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

constexpr std::int64_t kM = 7, kK = 40, kN = 36;

octile_matrix c_view(const MatrixView& view) {
    return {view.data, view.rows, view.columns, view.row_stride, capi::to_c(view.type)};
}
octile_mutable_matrix c_view(const MutableMatrixView& view) {
    return {view.data, view.rows, view.columns, view.row_stride, capi::to_c(view.type)};
}

TypedMatrix matrix(const std::string& key, DataType type, std::int64_t rows, std::int64_t columns,
                   std::int64_t padding = 0) {
    Random random(key);
    std::vector<float> values = make_values(random, rows, columns, Fill::kNormal);
    if (type == DataType::kI8)
        for (float& value : values)
            value = std::round(value * 30);
    return {type, rows, columns, values, padding};
}

// The same layer from both sides.
struct Both {
    CLinear c;
    std::optional<Linear> cpp;
};

octile_linear_options c_options(const LinearOptions& options) {
    auto made = initial<octile_linear_options>(octile_linear_options_init);
    made.precision = capi::to_c(options.precision);
    made.activation = capi::to_c(options.activation);
    made.input_scaling = capi::to_c(options.input_scaling);
    made.input_scale = options.input_scale;
    if (options.range) {
        made.has_range = 1;
        made.range_low = options.range->low;
        made.range_high = options.range->high;
    }
    made.input_multiplier = options.input_multiplier.data();
    made.input_multiplier_count = options.input_multiplier.size();
    return made;
}

Both pack_both(const LinearOptions& options, DataType type, bool gated) {
    const TypedMatrix w = matrix("capi weights", type, kN, kK, 3), up = matrix("capi up", type, kN, kK, 1);
    const std::vector<float> bias = matrix("capi bias", DataType::kF32, 1, kN).values();
    const IsaSet isas = usable_isas().value();
    const octile_linear_options how = c_options(options);
    const octile_matrix weights = c_view(w.view()), ups = c_view(up.view());
    octile_linear* linear = nullptr;
    octile_error error;
    Both both;
    if (type == DataType::kI8) {
        const std::vector<float> scale(kN, 0.01f);
        require_ok(octile_linear_pack_quantized(&weights, scale.data(), kN, bias.data(), kN, &how, &linear, &error),
                   error);
        both.cpp = Linear::pack_quantized(w.view(), scale, bias, options, isas).value();
    } else if (gated) {
        require_ok(octile_linear_pack_gated(&weights, bias.data(), kN, &ups, nullptr, 0, &how, &linear, &error), error);
        both.cpp = Linear::pack_gated(w.view(), bias, up.view(), {}, options, isas).value();
    } else {
        require_ok(octile_linear_pack(&weights, bias.data(), kN, &how, &linear, &error), error);
        both.cpp = Linear::pack(w.view(), bias, options, isas).value();
    }
    both.c.reset(linear);
    return both;
}

void check_same_bits(const Both& both, DataType in, DataType out, bool residual) {
    const TypedMatrix x = matrix("capi x", in, kM, kK, 2);
    const TypedMatrix added = matrix("capi residual", out == DataType::kI8 ? DataType::kF32 : out, kM, kN, 5);
    TypedMatrix actual(out, kM, kN, 4), expected(out, kM, kN, 4), again(out, kM, kN, 4);
    Workspace workspace;
    RunOptions run;
    run.output_scale = 0.25f;
    if (residual) run.residual = added.view();
    const Status status = both.cpp->run(x.view(), expected.mutable_view(), workspace, run);
    INFO(status.message());
    REQUIRE(status.ok());

    const CWorkspace scratch = make_workspace();
    const CRows rows = make_rows();
    auto options = initial<octile_run_options>(octile_run_options_init);
    const octile_matrix from = c_view(x.view()), add = c_view(added.view());
    const octile_mutable_matrix to = c_view(actual.mutable_view()), to_again = c_view(again.mutable_view());
    options.output_scale = run.output_scale;
    if (residual) options.residual = &add;
    octile_error error;
    require_ok(octile_linear_run(both.c.get(), &from, &to, scratch.get(), &options, &error), error);
    CHECK(first_difference(actual, expected.values()).empty());
    CHECK(octile_workspace_bytes(scratch.get()) == workspace.bytes());
    require_ok(octile_linear_pack_rows(both.c.get(), &from, rows.get(), &error), error);
    CHECK(octile_packed_rows_bytes(rows.get()) > 0);
    require_ok(octile_linear_run_rows(both.c.get(), rows.get(), &to_again, scratch.get(), &options, &error), error);
    CHECK(first_difference(again, expected.values()).empty());
    CHECK(actual.surroundings_intact());
}

TEST_CASE("capi linear: the bits of the C++ interface, whatever the types") {
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kBF16}) {
            const Both both = pack_both({.precision = precision}, type, false);
            for (const DataType in : {DataType::kF32, DataType::kF16, DataType::kBF16})
                for (const DataType out : {DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kI8})
                    check_same_bits(both, in, out, in == DataType::kF32);
        }
    }
}

TEST_CASE("capi linear: the bits of the C++ interface, whatever the options") {
    const std::vector<float> multiplier(kK, 0.5f);
    std::vector<LinearOptions> options;
    for (const auto& pair : capi::kPairs<Activation>)
        options.push_back({.activation = pair.cpp});
    options.push_back({.range = OutputRange{-0.5f, 2}});
    options.push_back({.input_scaling = InputScaling::kStatic, .input_scale = 0.02f});
    options.push_back({.input_scaling = InputScaling::kAsymmetric});
    options.push_back({.input_multiplier = multiplier});
    for (const LinearOptions& how : options) {
        for (const DataType type : {DataType::kF32, DataType::kI8})
            check_same_bits(pack_both(how, type, false), DataType::kF32, DataType::kF32, true);
        check_same_bits(pack_both(how, DataType::kF32, true), DataType::kF32, DataType::kF32, false);
    }
    check_same_bits(pack_both(options[options.size() - 3], DataType::kF32, false), DataType::kI8, DataType::kI8, false);
}

TEST_CASE("capi linear: what it says of itself") {
    const Both both = pack_both({.precision = Precision::kFp16, .activation = Activation::kSilu}, DataType::kF16, true);
    auto info = sized<octile_linear_info>();
    octile_error error;
    require_ok(octile_linear_get_info(both.c.get(), &info, &error), error);
    CHECK(info.k == kK);
    CHECK(info.n == kN);
    CHECK(info.bytes == both.cpp->bytes());
    CHECK(info.precision == OCTILE_FP16);
    CHECK(info.activation == OCTILE_SILU);
    CHECK(info.gated == 1);
    for (const std::int64_t m : {std::int64_t{1}, std::int64_t{2}, std::int64_t{100}, INT64_MIN, INT64_MAX})
        CHECK(octile_linear_kernel_name(both.c.get(), m) == both.cpp->kernel_name(m));
}

// What octile_linear_pack() says to weights and options that a test has changed.
struct PackCall {
    TypedMatrix w = matrix("capi errors", DataType::kF32, kN, kK);
    std::vector<float> bias = std::vector<float>(kN);
    octile_matrix weights = c_view(w.view());
    octile_linear_options options = initial<octile_linear_options>(octile_linear_options_init);
    std::size_t bias_count = kN;

    void fails(octile_status expected, const std::vector<std::string>& words) {
        octile_error error;
        octile_linear* linear = reinterpret_cast<octile_linear*>(&error);
        const octile_status status = octile_linear_pack(&weights, bias.data(), bias_count, &options, &linear, &error);
        require_error(status, error, expected, words);
        CHECK(linear == nullptr);
        CHECK(octile_linear_pack(&weights, bias.data(), bias_count, &options, &linear, nullptr) == expected);
    }
};

TEST_CASE("capi linear: numbers that no enumeration has") {
    for (const std::int32_t value : {-1, 100, INT32_MIN, INT32_MAX}) {
        const std::string found = "found " + std::to_string(value);
        PackCall type, precision, activation, scaling;
        type.weights.type = value;
        type.fails(OCTILE_INVALID_ARGUMENT, {"weights.type", "0 to 3", found});
        precision.options.precision = value;
        precision.fails(OCTILE_INVALID_ARGUMENT, {"options.precision", "0 to 2", found});
        activation.options.activation = value;
        activation.fails(OCTILE_INVALID_ARGUMENT, {"options.activation", "0 to 7", found});
        scaling.options.input_scaling = value;
        scaling.fails(OCTILE_INVALID_ARGUMENT, {"options.input_scaling", "0 to 2", found});
    }
}

TEST_CASE("capi linear: shapes that cannot be") {
    for (const std::int64_t extent : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN, INT64_MAX}) {
        PackCall rows, columns;
        rows.weights.rows = extent;
        rows.fails(OCTILE_INVALID_ARGUMENT, {"weights", std::to_string(extent)});
        columns.weights.columns = extent;
        columns.weights.row_stride = 0;
        columns.fails(OCTILE_INVALID_ARGUMENT, {"weights", std::to_string(extent)});
    }
    for (const std::int64_t stride : {kK - 1, std::int64_t{-5}, INT64_MIN, INT64_MAX}) {
        PackCall call;
        call.weights.row_stride = stride;
        call.fails(OCTILE_INVALID_ARGUMENT, {"row stride", std::to_string(stride)});
    }
    PackCall large, no_data, unaligned, deep;
    large.weights = {large.w.view().data, 1 << 17, 1 << 15, 0, OCTILE_F32};
    large.fails(OCTILE_INVALID_ARGUMENT, {"elements in all"});
    no_data.weights.data = nullptr;
    no_data.fails(OCTILE_INVALID_ARGUMENT, {"weights", "no data"});
    unaligned.weights.data = static_cast<const char*>(unaligned.weights.data) + 2;
    unaligned.fails(OCTILE_INVALID_ARGUMENT, {"weights", "multiple of 4"});
    deep.weights = {deep.w.view().data, 1, 131073, 0, OCTILE_F32};
    deep.fails(OCTILE_INVALID_ARGUMENT, {"131073", "131072"});
}

TEST_CASE("capi linear: options that contradict each other, and lengths") {
    PackCall range, scale, scaling, isas, lacks, bias, many, multiplier, short_multiplier;
    range.options.has_range = 1;
    range.options.activation = OCTILE_RELU;
    range.fails(OCTILE_INVALID_ARGUMENT, {"range", "relu"});
    for (const float value : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(), HUGE_VALF}) {
        scale.options.input_scaling = OCTILE_SCALING_STATIC;
        scale.options.input_scale = value;
        scale.fails(OCTILE_INVALID_ARGUMENT, {"input scale"});
    }
    scaling.options.precision = OCTILE_FP16;
    scaling.options.input_scaling = OCTILE_SCALING_ASYMMETRIC;
    scaling.fails(OCTILE_INVALID_ARGUMENT, {"INT8"});
    isas.options.isas = 1u << 30;
    isas.fails(OCTILE_INVALID_ARGUMENT, {"isas", "0x40000000"});
    lacks.options.isas = ~octile_supported_isas() & 0xff;
    lacks.fails(OCTILE_UNSUPPORTED, {"this CPU lacks"});
    bias.bias_count = kN - 1;
    bias.fails(OCTILE_INVALID_ARGUMENT, {"bias", std::to_string(kN - 1), std::to_string(kN)});
    many.bias_count = SIZE_MAX;
    many.fails(OCTILE_INVALID_ARGUMENT, {"bias", std::to_string(SIZE_MAX)});
    multiplier.options.input_multiplier = multiplier.bias.data();  // zeros
    multiplier.options.input_multiplier_count = kN;
    multiplier.weights.columns = kN;
    multiplier.fails(OCTILE_INVALID_ARGUMENT, {"multiplier"});
    short_multiplier.options.input_multiplier = short_multiplier.bias.data();
    short_multiplier.options.input_multiplier_count = 2;
    short_multiplier.fails(OCTILE_INVALID_ARGUMENT, {"multiplier"});
}

TEST_CASE("capi linear: values that are no numbers") {
    PackCall weight, beyond, bias;
    weight.w.set(3, 4, std::numeric_limits<float>::quiet_NaN());
    weight.fails(OCTILE_NON_FINITE, {"output channel 3"});
    beyond.w.set(5, 0, 1e6f);
    beyond.options.precision = OCTILE_FP16;
    beyond.fails(OCTILE_NON_FINITE, {"output channel 5"});
    bias.bias[2] = HUGE_VALF;
    bias.fails(OCTILE_NON_FINITE, {"bias", "output channel 2"});
}

TEST_CASE("capi linear: quantized and gated weights that do not fit") {
    const TypedMatrix w = matrix("capi errors", DataType::kF32, kN, kK), q = matrix("capi q", DataType::kI8, kN, kK);
    const octile_matrix floats = c_view(w.view()), levels = c_view(q.view());
    octile_matrix other = floats;
    other.columns--;
    std::vector<float> scale(kN, 1);
    octile_linear* linear = nullptr;
    octile_error error;
    const auto quantized = [&](const octile_matrix& matrix, std::size_t count) {
        return octile_linear_pack_quantized(&matrix, scale.data(), count, nullptr, 0, nullptr, &linear, &error);
    };
    require_error(quantized(floats, kN), error, OCTILE_INVALID_ARGUMENT, {"f32", "i8"});
    require_error(quantized(levels, kN - 1), error, OCTILE_INVALID_ARGUMENT, {"scale", std::to_string(kN - 1)});
    scale[7] = -1;
    require_error(quantized(levels, kN), error, OCTILE_INVALID_ARGUMENT, {"output channel 7"});
    const auto gated = [&](const octile_matrix& gate, const octile_matrix& up) {
        return octile_linear_pack_gated(&gate, nullptr, 0, &up, nullptr, 0, nullptr, &linear, &error);
    };
    require_error(gated(floats, other), error, OCTILE_INVALID_ARGUMENT, {"gate", "up", "same shape"});
    require_error(gated(levels, levels), error, OCTILE_INVALID_ARGUMENT, {"i8"});
    require_error(octile_linear_pack(&levels, nullptr, 0, nullptr, &linear, &error), error, OCTILE_INVALID_ARGUMENT,
                  {"i8"});
}

TEST_CASE("capi linear: runs that do not fit") {
    const Both both = pack_both({}, DataType::kF32, false), gated = pack_both({}, DataType::kF32, true);
    TypedMatrix x = matrix("capi x", DataType::kF32, kM, kK);
    TypedMatrix y(DataType::kF32, kM, kN);
    const CWorkspace workspace = make_workspace();
    const CRows rows = make_rows();
    octile_error error;
    auto options = initial<octile_run_options>(octile_run_options_init);
    octile_matrix from = c_view(x.view()), residual = c_view(y.view());
    octile_mutable_matrix to = c_view(y.mutable_view());
    const auto run = [&](const CLinear& linear) {
        return octile_linear_run(linear.get(), &from, &to, workspace.get(), &options, &error);
    };
    to.rows = kM - 1;
    require_error(run(both.c), error, OCTILE_INVALID_ARGUMENT, {"y [6, 36]"});
    to.rows = kM;
    to.type = 17;
    require_error(run(both.c), error, OCTILE_INVALID_ARGUMENT, {"y.type", "17"});
    to.type = OCTILE_I8;
    require_error(run(both.c), error, OCTILE_INVALID_ARGUMENT, {"output scale 0"});
    to.type = OCTILE_F32;
    from.type = OCTILE_I8;
    require_error(run(both.c), error, OCTILE_UNSUPPORTED, {"i8"});
    from.type = OCTILE_F32;
    options.residual = &residual;
    require_error(run(gated.c), error, OCTILE_INVALID_ARGUMENT, {"gated", "residual"});
    residual.data = nullptr;
    require_error(run(both.c), error, OCTILE_INVALID_ARGUMENT, {"residual", "no data"});
    residual = c_view(x.view());
    require_error(run(both.c), error, OCTILE_INVALID_ARGUMENT, {"residual [7, 40]"});
    options = initial<octile_run_options>(octile_run_options_init);
    x.set(4, 5, HUGE_VALF);
    require_error(run(both.c), error, OCTILE_NON_FINITE, {"row 4"});
    require_error(octile_linear_run_rows(both.c.get(), rows.get(), &to, workspace.get(), nullptr, &error), error,
                  OCTILE_INVALID_ARGUMENT, {"packed for another"});
    for (const std::int64_t count : {std::int64_t{-1}, INT64_MIN, INT64_MAX, std::int64_t{1} << 31}) {
        require_error(octile_linear_reserve(both.c.get(), count, rows.get(), workspace.get(), &error), error,
                      OCTILE_INVALID_ARGUMENT, {"row_count", std::to_string(count)});
    }
    const octile_status most = octile_linear_reserve(both.c.get(), INT32_MAX, rows.get(), workspace.get(), &error);
    require_error(most, error, OCTILE_INVALID_ARGUMENT, {"elements"});
    from.rows = to.rows = 0;
    require_ok(run(both.c), error);
}

}  // namespace
}  // namespace octile::test
