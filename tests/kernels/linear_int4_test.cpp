// INT4 layers: the bits of the INT8 layer with their levels, on every level of the CPU, for every number of rows.
#include <catch2/catch.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "octile/linear.h"
#include "runtime/int4_fit.h"
#include "tests/kernels/run_layer.h"
#include "tests/reference/int4.h"
#include "tests/reference/linear.h"
#include "tests/runtime/errors.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/shapes.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

// Ready weights, of every kind that is valid.
struct Weights {
    std::int64_t n, k;
    std::vector<std::uint8_t> q4, s4;
    std::vector<std::int8_t> c8;
    std::vector<float> scale;

    Weights(Random& random, std::int64_t rows, std::int64_t columns) : n(rows), k(columns) {
        for (std::int64_t i = 0; i < n; i++)
            scale.push_back(0.001f * static_cast<float>(1 + random.below(100)));
        for (std::int64_t row = 0; row < n; row++) {
            for (std::int64_t first = 0; first < k; first += kInt4Group) {
                const auto step = static_cast<int>(1 + random.below(15));
                const int start = static_cast<int>(random.below(255)) - 127;
                s4.push_back(static_cast<std::uint8_t>(step));
                c8.push_back(static_cast<std::int8_t>(start));
                const auto most = static_cast<std::uint32_t>(std::min(15, (127 - start) / step));
                for (std::int64_t i = first; i < std::min(k, first + kInt4Group); i++)
                    q4.push_back(static_cast<std::uint8_t>(random.below(most + 1)));
            }
        }
    }

    Int4View view() const { return {n, k, q4, s4, c8, scale}; }

    TypedMatrix levels() const {
        std::vector<float> values;
        for (std::int64_t i = 0; i < n * k; i++) {
            const auto group = static_cast<std::size_t>(i / k * int4_groups(k) + i % k / kInt4Group);
            values.push_back(static_cast<float>(s4[group] * q4[static_cast<std::size_t>(i)] + c8[group]));
        }
        return {DataType::kI8, n, k, values};
    }
};

constexpr InputScaling kScalings[] = {InputScaling::kDynamic, InputScaling::kStatic, InputScaling::kAsymmetric};

// Layers of the same levels in both forms, for all ways to scale x.
void check_as_int8(Random& random, const Weights& weights, std::int64_t m) {
    const TypedMatrix levels = weights.levels();
    const std::vector<float> bias = make_values(random, 1, weights.n, Fill::kNormal),
                             x = make_values(random, m, weights.k, Fill::kNormal),
                             added = make_values(random, m, weights.n, Fill::kNormal);
    for (const InputScaling scaling : kScalings) {
        const Combination how = draw_combination(random);
        LinearOptions options{.activation = how.activation, .input_scaling = scaling, .input_scale = 0.02f};
        const std::span<const float> b = how.biased ? std::span<const float>(bias) : std::span<const float>();
        const TypedMatrix residual(how.out, m, weights.n, added);
        const RunOptions run{.residual = random.below(2) ? residual.view() : MatrixView{}};
        for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
            options.precision = Precision::kInt8;
            const Linear int8 = must(Linear::pack_quantized(levels.view(), weights.scale, b, options, level.isas));
            options.precision = Precision::kInt4;
            const Linear int4 = must(Linear::pack_int4(weights.view(), b, options, level.isas));
            const Way way = random_way(random);
            INFO(int4.kernel_name(m) << ", " << how << ", " << way);
            const TypedMatrix expected = run_layer(int8, how.in, x, m, how.out, {}, run);
            CHECK(first_difference(run_layer(int4, how.in, x, m, how.out, way, run), expected.values()) == "");
        }
    }
}

TEST_CASE("pack_int4: the bits of INT8, for every number of rows") {
    for (const Shape& shape : row_sweep(KernelFamily::kGemmS8)) {
        std::ostringstream key;
        key << "pack_int4 rows " << shape;
        Random random(key.str());
        INFO(random);
        check_as_int8(random, Weights(random, shape.n, shape.k), shape.m);
    }
}

TEST_CASE("pack_int4: the bits of INT8, for every remainder of K and N") {
    for (const std::int64_t k : {1, 2, 15, 16, 17, 31, 32, 33, 48, 49, 63, 64, 65, 100, 257}) {
        for (const std::int64_t n : {1, 4, 7, 11, 12, 13, 24, 31, 32, 47, 48, 49, 72, 95, 96, 97, 200}) {
            std::ostringstream key;
            key << "pack_int4 " << k << ' ' << n;
            Random random(key.str());
            INFO(random);
            check_as_int8(random, Weights(random, n, k), 1 + random.below(20));
        }
    }
}

// More columns than are unpacked at once, and more rows than stay in the cache.
TEST_CASE("pack_int4: the bits of INT8, in several blocks of columns and rows") {
    Random random("pack_int4 blocks");
    INFO(random);
    const Weights wide(random, 1100, 2100), small(random, 150, 300);
    for (const std::int64_t m : {1, 6, 70})
        check_as_int8(random, wide, m);
    check_as_int8(random, small, 300);
}

TEST_CASE("pack_int4: the longest sums") {
    Random random("pack_int4 longest");
    for (const bool positive : {true, false}) {
        Weights weights(random, 2, 131072);
        for (std::size_t i = 0; i < weights.s4.size(); i++) {
            weights.s4[i] = 15;
            weights.c8[i] = static_cast<std::int8_t>(positive ? -98 : -127);
        }
        std::fill(weights.q4.begin(), weights.q4.end(), static_cast<std::uint8_t>(positive ? 15 : 0));
        const std::vector<float> x = make_values(random, 1, weights.k, Fill::kLowest);
        reference::QuantizedRows w;
        w.rows = 2;
        w.k = 131072;
        w.scales = weights.scale;
        w.values.assign(w.rows * w.k, positive ? 127 : -127);
        const std::vector<float> expected =
            reference::linear_s8(reference::quantize_rows(x, 1, w.k), w, {}, Activation::kNone);
        for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
            const Linear linear =
                must(Linear::pack_int4(weights.view(), {}, {.precision = Precision::kInt4}, level.isas));
            CHECK(first_difference(run_layer(linear, DataType::kF32, x, 1, DataType::kF32), expected) == "");
        }
    }
}

TEST_CASE("pack: weights of every type are fitted, with the bits of the reference") {
    for (const DataType type : kWeightTypes) {
        for (const std::int64_t k : {31, 64, 70}) {
            std::ostringstream key;
            key << "int4 pack " << name_of(type) << ' ' << k;
            Random random(key.str());
            INFO(random);
            const std::int64_t m = 1 + random.below(9), n = 5;
            const TypedMatrix w(type, n, k, make_values(random, n, k, Fill::kNormal), 3);
            const std::vector<float> x = make_values(random, m, k, Fill::kNormal),
                                     bias = make_values(random, 1, n, Fill::kNormal);
            const auto rows = static_cast<std::size_t>(m), columns = static_cast<std::size_t>(n),
                       depth = static_cast<std::size_t>(k);
            const std::vector<float> expected =
                reference::linear_s8(reference::quantize_rows(x, rows, depth),
                                     reference::fit_int4(w.values(), columns, depth).levels(), bias, Activation::kGelu);
            for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
                const Linear linear = must(Linear::pack(
                    w.view(), bias, {.precision = Precision::kInt4, .activation = Activation::kGelu}, level.isas));
                CHECK(linear.precision() == Precision::kInt4);
                CHECK(first_difference(run_layer(linear, DataType::kF32, x, m, DataType::kF32), expected) == "");
            }
        }
    }
}

TEST_CASE("pack: rows that INT8 layers take, INT4 layers take too") {
    Random random("int4 shared rows");
    const TypedMatrix w(DataType::kF32, 30, 40, make_values(random, 30, 40, Fill::kNormal)),
        x(DataType::kF32, 6, 40, make_values(random, 6, 40, Fill::kNormal));
    const Linear int8 = must(Linear::pack(w.view(), {}, {}, supported_isas())),
                 int4 = must(Linear::pack(w.view(), {}, {.precision = Precision::kInt4}, supported_isas()));
    PackedRows rows;
    Workspace workspace;
    TypedMatrix y(DataType::kF32, 6, 30);
    REQUIRE(int8.pack_rows(x.view(), rows).ok());
    REQUIRE(int4.accepts(rows));
    REQUIRE(int4.run(rows, y.mutable_view(), workspace).ok());
    CHECK(first_difference(y, run_layer(int4, DataType::kF32, x.values(), 6, DataType::kF32).values()) == "");
}

TEST_CASE("bytes: 4.375 bits a weight and twelve bytes a channel, where nothing is padded") {
    Random random("int4 bytes");
    const std::int64_t k = 2048, n = 288 * 4;  // whole pairs of panels and tiles, whatever the level
    const Weights weights(random, n, k);
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        const Linear linear = must(Linear::pack_int4(weights.view(), {}, {.precision = Precision::kInt4}, level.isas));
        CHECK(linear.bytes() == static_cast<std::size_t>(n * k * 35 / 64 + n * 12));
    }
}

TEST_CASE("pack_int4: what is not in the form is refused by name") {
    Random random("int4 errors");
    const auto status_of = [](const Weights& weights, Precision precision = Precision::kInt4) {
        return Linear::pack_int4(weights.view(), {}, {.precision = precision}, supported_isas()).status();
    };
    const Weights good(random, 4, 70);
    REQUIRE(status_of(good).ok());
    require_error(status_of(good, Precision::kInt8), StatusCode::kInvalidArgument, {"int8", "expected int4"});
    Weights bad = good;
    bad.s4[7] = 16;
    require_error(status_of(bad), StatusCode::kInvalidArgument, {"output channel 2, group 1", "16", "1 to 15"});
    bad = good;
    bad.s4[11] = 0;
    require_error(status_of(bad), StatusCode::kInvalidArgument, {"output channel 3, group 2"});
    bad = good;
    bad.c8[0] = -128;
    require_error(status_of(bad), StatusCode::kInvalidArgument, {"output channel 0, group 0", "-128"});
    bad = good;
    bad.s4[3] = 15;
    bad.c8[3] = 0;
    bad.q4[70] = 9;
    require_error(status_of(bad), StatusCode::kInvalidArgument, {"output channel 1", "135", "k = 0"});
    bad = good;
    bad.q4[279] = 16;
    require_error(status_of(bad), StatusCode::kInvalidArgument, {"output channel 3", "16", "k = 69"});
    bad = good;
    bad.scale[2] = 0;
    require_error(status_of(bad), StatusCode::kInvalidArgument, {"scale", "output channel 2"});
    bad = good;
    bad.s4.pop_back();
    require_error(status_of(bad), StatusCode::kInvalidArgument, {"s4", "11", "12"});
    bad = good;
    bad.q4.push_back(0);
    require_error(status_of(bad), StatusCode::kInvalidArgument, {"q4", "281", "280"});
}

}  // namespace
}  // namespace octile::test
