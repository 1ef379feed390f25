// LinearOptions::input_multiplier: the bits of the same layer on rows that were multiplied before.
#include <catch2/catch.hpp>
#include <sstream>
#include <vector>

#include "octile/norm.h"
#include "tests/inputs/status_checks.h"
#include "tests/kernels/run_layer.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"

namespace octile::test {
namespace {

KernelFamily family_of(Precision precision) {
    return precision == Precision::kInt8 ? KernelFamily::kGemmS8 : KernelFamily::kGemmF16;
}

std::vector<float> powers_of_two(Random& random, std::int64_t count) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < count; i++)
        values.push_back(std::ldexp(1.0f, static_cast<int>(random.below(9)) - 4));
    return values;
}

std::vector<float> multiplied(std::span<const float> rows, std::span<const float> multiplier) {
    std::vector<float> product;
    for (std::size_t i = 0; i < rows.size(); i++)
        product.push_back(rows[i] * multiplier[i % multiplier.size()]);
    return product;
}

TEST_CASE("input multiplier: the bits of rows multiplied before, for every type and number of rows") {
    const std::int64_t k = 83, n = 50;
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        for (const std::int64_t m : {1, 2, 7, 8, 40}) {
            std::ostringstream key;
            key << "input multiplier " << octile::name_of(precision) << m;
            Random random(key.str());
            INFO(random);
            const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
            const std::vector<float> multiplier =
                m == 7 ? std::vector<float>(static_cast<std::size_t>(k), 0.3f) : powers_of_two(random, k);
            for (const DataType in : kActivationTypes) {
                const TypedMatrix x(in, m, k, make_values(random, m, k, Fill::kNormal));
                for (const Level& level : levels_with(family_of(precision))) {
                    const Linear plain = must(Linear::pack(w.view(), {}, {.precision = precision}, level.isas));
                    const Linear with = must(Linear::pack(
                        w.view(), {}, {.precision = precision, .input_multiplier = multiplier}, level.isas));
                    const TypedMatrix expected =
                        run_layer(plain, DataType::kF32, multiplied(x.values(), multiplier), m, DataType::kF32);
                    const TypedMatrix y = run_layer(with, in, x.values(), m, DataType::kF32, random_way(random));
                    INFO(with.kernel_name(m) << ", " << octile::name_of(in));
                    CHECK(first_difference(y, expected.values()) == "");
                }
            }
        }
    }
}

TEST_CASE("input multiplier: static and asymmetric scaling, and a gated layer") {
    const std::int64_t m = 11, k = 40, n = 30;
    Random random("input multiplier scalings");
    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
    const std::vector<float> x = make_values(random, m, k, Fill::kNormal), multiplier = powers_of_two(random, k);
    for (const InputScaling scaling : {InputScaling::kDynamic, InputScaling::kStatic, InputScaling::kAsymmetric}) {
        LinearOptions options{.activation = Activation::kSilu, .input_scaling = scaling, .input_scale = 0.02f};
        const Linear plain = must(Linear::pack(w.view(), {}, options, supported_isas()));
        const Linear gated_plain = must(Linear::pack_gated(w.view(), {}, w.view(), {}, options, supported_isas()));
        options.input_multiplier = multiplier;
        const Linear with = must(Linear::pack(w.view(), {}, options, supported_isas()));
        const Linear gated = must(Linear::pack_gated(w.view(), {}, w.view(), {}, options, supported_isas()));
        const std::vector<float> product = multiplied(x, multiplier);
        CHECK(first_difference(run_layer(with, DataType::kF32, x, m, DataType::kF16),
                               run_layer(plain, DataType::kF32, product, m, DataType::kF16).values()) == "");
        CHECK(first_difference(run_layer(gated, DataType::kF32, x, m, DataType::kF32),
                               run_layer(gated_plain, DataType::kF32, product, m, DataType::kF32).values()) == "");
    }
}

TEST_CASE("input multiplier: rows are shared by layers of the same one, and by no other") {
    const std::int64_t m = 9, k = 70, n = 20;
    Random random("input multiplier sharing");
    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal)),
        x(DataType::kF16, m, k, make_values(random, m, k, Fill::kNormal));
    const std::vector<float> one = powers_of_two(random, k), copy = one;
    std::vector<float> other = one;
    other.back() *= 2;
    const Linear plain = must(Linear::pack(w.view(), {}, {}, supported_isas()));
    const Linear a = must(Linear::pack(w.view(), {}, {.input_multiplier = one}, supported_isas())),
                 b = must(Linear::pack(w.view(), {}, {.input_multiplier = copy}, supported_isas())),
                 c = must(Linear::pack(w.view(), {}, {.input_multiplier = other}, supported_isas()));
    PackedRows rows;
    REQUIRE(a.pack_rows(x.view(), rows).ok());
    CHECK(a.accepts(rows));
    CHECK(b.accepts(rows));
    CHECK_FALSE(c.accepts(rows));
    CHECK_FALSE(plain.accepts(rows));
    Workspace workspace;
    TypedMatrix y(DataType::kF32, m, n);
    require_error(plain.run(rows, y.mutable_view(), workspace), StatusCode::kInvalidArgument,
                  {"another kind of layer"});
    REQUIRE(b.run(rows, y.mutable_view(), workspace).ok());
    CHECK(first_difference(y, run_layer(a, DataType::kF16, x.values(), m, DataType::kF32).values()) == "");
    REQUIRE(plain.pack_rows(x.view(), rows).ok());
    CHECK(plain.accepts(rows));
    CHECK_FALSE(a.accepts(rows));
}

TEST_CASE("input multiplier: a norm writes the rows that the layer would pack") {
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        for (const std::int64_t m : {1, 5, 130}) {
            const std::int64_t k = 90, n = 20;
            Random random("input multiplier norm");
            const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal)),
                x(DataType::kF32, m, k, make_values(random, m, k, Fill::kNormal));
            const std::vector<float> gamma = make_values(random, 1, k, Fill::kNormal),
                                     multiplier = powers_of_two(random, k);
            const Linear linear = must(
                Linear::pack(w.view(), {}, {.precision = precision, .input_multiplier = multiplier}, supported_isas()));
            const Result<Norm> norm = Norm::make(NormKind::kRmsNorm, gamma, {}, 1e-6f, supported_isas());
            REQUIRE(norm.ok());
            Workspace workspace;
            PackedRows rows;
            TypedMatrix normal(DataType::kF32, m, k), y(DataType::kF32, m, n), both(DataType::kBF16, m, k);
            REQUIRE(norm->run(x.view(), normal.mutable_view(), workspace).ok());
            const TypedMatrix expected = run_layer(linear, DataType::kF32, normal.values(), m, DataType::kF32);
            REQUIRE(norm->run(x.view(), linear, rows, workspace).ok());
            REQUIRE(linear.run(rows, y.mutable_view(), workspace).ok());
            CHECK(first_difference(y, expected.values()) == "");
            TypedMatrix again(DataType::kF32, m, n);
            REQUIRE(norm->run(x.view(), both.mutable_view(), linear, rows, workspace).ok());
            CHECK(first_difference(both, normal.values()) == "");
            REQUIRE(linear.run(rows, again.mutable_view(), workspace).ok());
            CHECK(first_difference(again, expected.values()) == "");
        }
    }
}

TEST_CASE("input multiplier: what is none is refused") {
    const std::vector<float> weights(12, 1.0f);
    const MatrixView w{weights.data(), DataType::kF32, 3, 4, 4};
    const auto pack = [&](const std::vector<float>& multiplier) {
        return Linear::pack(w, {}, {.input_multiplier = multiplier}, supported_isas()).status();
    };
    require_error(pack({1, 1, 1}), StatusCode::kInvalidArgument, {"input multiplier", "3 elements", "expected 4"});
    require_error(pack({1, 1, 0, 1}), StatusCode::kInvalidArgument, {"input multiplier", "feature 2"});
    require_error(pack({1, -1, 1, 1}), StatusCode::kInvalidArgument, {"feature 1", "-1"});
    require_error(pack({1, 1, 1, INFINITY}), StatusCode::kInvalidArgument, {"feature 3", "finite"});
    require_error(pack({NAN, 1, 1, 1}), StatusCode::kInvalidArgument, {"feature 0"});
    const std::vector<float> ones(4, 1.0f);
    const Linear linear = must(Linear::pack(
        w, {}, {.input_scaling = InputScaling::kStatic, .input_scale = 1, .input_multiplier = ones}, supported_isas()));
    const TypedMatrix levels(DataType::kI8, 2, 4, std::vector<float>(8, 3.0f));
    PackedRows rows;
    require_error(linear.pack_rows(levels.view(), rows), StatusCode::kInvalidArgument, {"i8", "input multiplier"});
    // What the product makes of a number is no number any more: the row is named.
    const Linear large =
        must(Linear::pack(w, {}, {.input_multiplier = std::vector<float>(4, 1e30f)}, supported_isas()));
    const TypedMatrix x(DataType::kF32, 2, 4, std::vector<float>{1, 2, 3, 4, 1, 1e20f, 1, 1});
    require_error(large.pack_rows(x.view(), rows), StatusCode::kNonFinite, {"x: row 1"});
}

}  // namespace
}  // namespace octile::test
