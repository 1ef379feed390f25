// octile_linear_pack_int4(): the bits of the C++ interface, and every error.
#include <cmath>
#include <limits>
#include <vector>

#include "octile/linear.h"
#include "tests/capi/c_handles.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"

namespace octile::test {
namespace {

constexpr std::int64_t kM = 5, kN = 36, kK = 70, kGroups = 3;  // the last group is of 6

// Weights that a test may spoil.
struct Int4Call {
    std::vector<std::uint8_t> q4, s4;
    std::vector<std::int8_t> c8;
    std::vector<float> scale, bias = std::vector<float>(kN, 0.5f);
    octile_linear_options options = initial<octile_linear_options>(octile_linear_options_init);
    octile_int4_weights weights = sized<octile_int4_weights>();

    Int4Call() {
        Random random("capi int4");
        for (std::int64_t i = 0; i < kN * kK; i++)
            q4.push_back(static_cast<std::uint8_t>(random.below(16)));
        for (std::int64_t i = 0; i < kN * kGroups; i++) {
            s4.push_back(static_cast<std::uint8_t>(1 + random.below(8)));
            c8.push_back(static_cast<std::int8_t>(-127 + static_cast<int>(random.below(128))));
        }
        for (std::int64_t i = 0; i < kN; i++)
            scale.push_back(0.01f * static_cast<float>(1 + random.below(9)));
        options.precision = OCTILE_INT4;
        weights.n = kN;
        weights.k = kK;
        weights.q4 = q4.data();
        weights.q4_count = q4.size();
        weights.s4 = s4.data();
        weights.c8 = c8.data();
        weights.group_count = s4.size();
        weights.scale = scale.data();
        weights.scale_count = scale.size();
    }

    octile_status pack(const octile_linear_options* how, octile_linear** linear, octile_error* error) const {
        return octile_linear_pack_int4(&weights, bias.data(), kN, how, linear, error);
    }

    void fails(octile_status expected, const std::vector<std::string>& words) const {
        octile_error error;
        octile_linear* linear = reinterpret_cast<octile_linear*>(&error);
        require_error(pack(&options, &linear, &error), error, expected, words);
        CHECK(linear == nullptr);
    }
};

std::vector<float> run(const octile_linear* linear, const std::vector<float>& x) {
    std::vector<float> y(kM * kN);
    const octile_matrix from{x.data(), kM, kK, 0, OCTILE_F32};
    const octile_mutable_matrix to{y.data(), kM, kN, 0, OCTILE_F32};
    const CWorkspace workspace = make_workspace();
    octile_error error;
    require_ok(octile_linear_run(linear, &from, &to, workspace.get(), nullptr, &error), error);
    return y;
}

TEST_CASE("capi int4: the bits of the C++ interface") {
    Int4Call call;
    Random random("capi int4 x");
    const std::vector<float> x = make_values(random, kM, kK, Fill::kNormal);
    call.options.activation = OCTILE_SILU;
    for (const bool with_options : {true, false}) {
        const Linear cpp = Linear::pack_int4({kN, kK, call.q4, call.s4, call.c8, call.scale}, call.bias,
                                             {.precision = Precision::kInt4,
                                              .activation = with_options ? Activation::kSilu : Activation::kNone},
                                             usable_isas().value())
                               .value();
        std::vector<float> expected(kM * kN);
        Workspace workspace;
        REQUIRE(
            cpp.run({x.data(), DataType::kF32, kM, kK, kK}, {expected.data(), DataType::kF32, kM, kN, kN}, workspace)
                .ok());
        octile_linear* linear = nullptr;
        octile_error error;
        require_ok(call.pack(with_options ? &call.options : nullptr, &linear, &error), error);
        const CLinear owner(linear);
        CHECK(run(linear, x) == expected);
        auto info = sized<octile_linear_info>();
        require_ok(octile_linear_get_info(linear, &info, &error), error);
        CHECK(info.precision == OCTILE_INT4);
        CHECK(info.bytes == cpp.bytes());
    }
}

TEST_CASE("capi int4: weights and options that are not of the form") {
    const auto wrong = [](void (*spoil)(Int4Call&), const std::vector<std::string>& words) {
        Int4Call call;
        spoil(call);
        call.fails(OCTILE_INVALID_ARGUMENT, words);
    };
    wrong([](Int4Call& c) { c.options.precision = OCTILE_INT8; }, {"int8", "expected int4"});
    wrong([](Int4Call& c) { c.q4[kK * 4 + 2] = 16; }, {"output channel 4", "q4 is 16", "k = 2"});
    wrong([](Int4Call& c) { c.s4[kGroups * 5 + 2] = 0; }, {"output channel 5, group 2", "s4 is 0"});
    wrong([](Int4Call& c) { c.c8[kGroups * 6] = -128; }, {"output channel 6, group 0", "c8 -128"});
    wrong([](Int4Call& c) { c.q4[kK * 7] = 15, c.s4[kGroups * 7] = 15, c.c8[kGroups * 7] = 0; },
          {"output channel 7", "level 225"});
    for (const float value : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(), HUGE_VALF}) {
        Int4Call call;
        call.scale[9] = value;
        call.fails(OCTILE_INVALID_ARGUMENT, {"scale", "output channel 9"});
    }
    wrong([](Int4Call& c) { c.weights.n = 0; }, {"q4: 2520 elements; expected 0"});
    wrong([](Int4Call& c) { c.weights.k = 0; }, {"weights", "0"});
    for (const std::int64_t extent : {std::int64_t{-1}, INT64_MIN, INT64_MAX}) {
        Int4Call rows, columns;
        rows.weights.n = extent;
        rows.fails(OCTILE_INVALID_ARGUMENT, {"weights", std::to_string(extent)});
        columns.weights.k = extent;
        columns.fails(OCTILE_INVALID_ARGUMENT, {"weights", std::to_string(extent)});
    }
    wrong([](Int4Call& c) { c.weights.q4_count--; }, {"q4: 2519 elements; expected 2520"});
    wrong([](Int4Call& c) { c.weights.group_count++; }, {"s4: 109 elements; expected 108"});
    wrong([](Int4Call& c) { c.weights.scale_count = SIZE_MAX; }, {"weights.scale", std::to_string(SIZE_MAX)});
    wrong([](Int4Call& c) { c.weights.scale_count = 1; }, {"scale: 1 elements; expected 36"});
    wrong([](Int4Call& c) { c.weights.c8 = nullptr; }, {"weights.c8", "NULL"});
    wrong([](Int4Call& c) { c.weights.size = 8; }, {"weights.size", "80", "found 8"});
}

TEST_CASE("capi int4: weights of a later version") {
    struct {
        octile_int4_weights weights;
        std::uint64_t added = 0;
    } later;
    const Int4Call call;
    later.weights = call.weights;
    later.weights.size = sizeof(later);
    octile_linear* linear = nullptr;
    octile_error error;
    require_ok(octile_linear_pack_int4(&later.weights, nullptr, 0, nullptr, &linear, &error), error);
    octile_linear_free(linear);
    later.added = 64;
    require_error(octile_linear_pack_int4(&later.weights, nullptr, 0, nullptr, &linear, &error), error,
                  OCTILE_UNSUPPORTED, {"weights", "byte 80", "later version"});
}

}  // namespace
}  // namespace octile::test
