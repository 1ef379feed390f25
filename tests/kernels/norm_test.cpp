// Norms: the bits of the reference on every ISA level, for every type, with and without an addition, and straight into
// the rows that a layer reads.
#include "octile/norm.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "tests/inputs/status_checks.h"
#include "tests/reference/norm.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

constexpr std::array kTypes = {DataType::kF32, DataType::kF16, DataType::kBF16};
constexpr std::array kKinds = {NormKind::kLayerNorm, NormKind::kRmsNorm};

struct Parameters {
    NormKind kind;
    std::vector<float> weight, bias;
    float epsilon;

    Norm make(const Level& level) const {
        Result<Norm> norm = Norm::make(kind, weight, bias, epsilon, level.isas);
        INFO(norm.status().message());
        REQUIRE(norm.ok());
        return std::move(norm).value();
    }
    std::vector<float> expected(const TypedMatrix& v) const {
        std::vector<float> result;
        const std::vector<float> values = v.values();
        const auto k = static_cast<std::size_t>(v.columns());
        for (std::size_t row = 0; row < static_cast<std::size_t>(v.rows()); row++) {
            for (const float y : reference::norm(std::span(values).subspan(row * k, k), weight, bias, epsilon))
                result.push_back(y);
        }
        return result;
    }
};

Parameters make_parameters(Random& random, NormKind kind, std::int64_t k) {
    Parameters parameters{kind, make_values(random, 1, k, Fill::kNormal), {}, 1e-12f};
    if (kind == NormKind::kLayerNorm) parameters.bias = make_values(random, 1, k, Fill::kNormal);
    return parameters;
}

TypedMatrix sum_of(const TypedMatrix& x, const TypedMatrix& residual) {
    std::vector<float> sums = x.values();
    const std::vector<float> added = residual.values();
    for (std::size_t i = 0; i < sums.size(); i++)
        sums[i] += added[i];
    return TypedMatrix(x.type(), x.rows(), x.columns(), sums);
}

TEST_CASE("norms have the bits of the reference, whatever the level, type, shape, stride and values") {
    for (const NormKind kind : kKinds) {
        for (const std::int64_t k : {1, 2, 15, 16, 17, 33, 64, 129, 384}) {
            std::ostringstream key;
            key << "norm " << static_cast<int>(kind) << ' ' << k;
            Random random(key.str());
            INFO(random);
            const Parameters parameters = make_parameters(random, kind, k);
            const std::int64_t m = 1 + random.below(12);
            const Fill fill = kFills[random.below(kFills.size())];
            for (const DataType in : kTypes) {
                const TypedMatrix x(in, m, k, make_values(random, m, k, fill), random.below(3));
                const TypedMatrix residual(in, m, k, make_values(random, m, k, Fill::kNormal), random.below(3));
                const TypedMatrix sums = sum_of(x, residual);
                for (const Level& level : levels_with(KernelFamily::kLayerNorm)) {
                    const Norm norm = parameters.make(level);
                    const ThreadCount threads(random.below(2) ? 1 : 4);
                    for (const DataType out : kTypes) {
                        INFO(name_of(level.isa)
                             << ", " << name_of(in) << " to " << name_of(out) << ", " << name_of(fill));
                        Workspace workspace;
                        TypedMatrix y(out, m, k, 2), sum(in, m, k, 1);
                        REQUIRE(norm.run(x.view(), y.mutable_view(), workspace).ok());
                        CHECK(first_difference(y, parameters.expected(x)) == "");
                        CHECK(y.surroundings_intact());

                        REQUIRE(norm.run(x.view(), y.mutable_view(), workspace, {residual.view(), sum.mutable_view()})
                                    .ok());
                        CHECK(first_difference(sum, sums.values()) == "");
                        CHECK(first_difference(y, parameters.expected(sums)) == "");
                        CHECK(sum.surroundings_intact());
                        CHECK(y.surroundings_intact());
                    }
                }
            }
        }
    }
}

TEST_CASE("a norm straight into a layer's rows is the norm and then the layer") {
    const std::int64_t k = 70, n = 45;
    for (const NormKind kind : kKinds) {
        for (const std::int64_t m : {1, 2, 7, 8, 9, 300}) {
            Random random("norm and layer");
            INFO(random);
            const Parameters parameters = make_parameters(random, kind, k);
            const TypedMatrix x(DataType::kF16, m, k, make_values(random, m, k, Fill::kNormal)),
                w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
            for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
                const KernelFamily family =
                    precision == Precision::kInt8 ? KernelFamily::kGemmS8 : KernelFamily::kGemmF16;
                for (const Level& level : levels_with(family)) {
                    INFO(name_of(level.isa) << ", M " << m);
                    const Norm norm = parameters.make(level);
                    const Result<Linear> linear = Linear::pack(w.view(), {}, {.precision = precision}, level.isas);
                    REQUIRE(linear.ok());
                    Workspace workspace;
                    TypedMatrix normal(DataType::kF32, m, k), expected(DataType::kF32, m, n), y(DataType::kF32, m, n),
                        both(DataType::kBF16, m, k);
                    REQUIRE(norm.run(x.view(), normal.mutable_view(), workspace).ok());
                    REQUIRE(linear.value().run(normal.view(), expected.mutable_view(), workspace).ok());

                    PackedRows rows;
                    REQUIRE(norm.run(x.view(), linear.value(), rows, workspace).ok());
                    REQUIRE(linear.value().run(rows, y.mutable_view(), workspace).ok());
                    CHECK(first_difference(y, expected.values()) == "");

                    REQUIRE(norm.run(x.view(), both.mutable_view(), linear.value(), rows, workspace).ok());
                    TypedMatrix again(DataType::kF32, m, n);
                    REQUIRE(linear.value().run(rows, again.mutable_view(), workspace).ok());
                    CHECK(first_difference(again, expected.values()) == "");
                    CHECK(first_difference(both, normal.values()) == "");
                }
            }
        }
    }
}

TEST_CASE("norms work in place") {
    Random random("norm in place");
    const std::int64_t m = 9, k = 50;
    const Parameters parameters = make_parameters(random, NormKind::kLayerNorm, k);
    for (const DataType type : kTypes) {
        for (const Level& level : levels_with(KernelFamily::kLayerNorm)) {
            const Norm norm = parameters.make(level);
            Workspace workspace;
            TypedMatrix x(type, m, k, make_values(random, m, k, Fill::kNormal));
            const TypedMatrix residual(type, m, k, make_values(random, m, k, Fill::kNormal));
            const TypedMatrix sums = sum_of(x, residual);
            TypedMatrix y(type, m, k);
            REQUIRE(norm.run(x.view(), y.mutable_view(), workspace, {residual.view(), x.mutable_view()}).ok());
            CHECK(first_difference(x, sums.values()) == "");
            CHECK(first_difference(y, parameters.expected(sums)) == "");
            REQUIRE(norm.run(x.view(), x.mutable_view(), workspace).ok());
            CHECK(first_difference(x, parameters.expected(sums)) == "");
        }
    }
}

// Sums of K terms in sixteen lanes: K / 16 + 4 additions each, so their relative error is below (K / 16 + 8) u of the
// sum of magnitudes; the mean's passes into every centred value.
TEST_CASE("norms are near the exact ones") {
    Random random("norm accuracy");
    for (const NormKind kind : kKinds) {
        for (const std::int64_t k : {16, 384, 4096}) {
            const Parameters parameters = make_parameters(random, kind, k);
            const std::vector<float> v = make_values(random, 1, k, Fill::kNormal);
            const std::vector<float> got = reference::norm(v, parameters.weight, parameters.bias, parameters.epsilon);
            const std::vector<double> want =
                reference::exact::norm(v, parameters.weight, parameters.bias, parameters.epsilon);
            const double unit = (static_cast<double>(k) / 16 + 16) * 0x1p-24;
            for (std::size_t i = 0; i < v.size(); i++) {
                const double scale = 4 * std::abs(static_cast<double>(parameters.weight[i])) + std::abs(want[i]);
                CHECK(std::abs(static_cast<double>(got[i]) - want[i]) <= unit * scale);
            }
        }
    }
}

TEST_CASE("a NaN spoils its row's norm alone, and is refused by an INT8 layer behind it") {
    Random random("norm NaN");
    const std::int64_t m = 5, k = 20;
    const Parameters parameters = make_parameters(random, NormKind::kLayerNorm, k);
    TypedMatrix x(DataType::kF32, m, k, make_values(random, m, k, Fill::kNormal));
    const TypedMatrix w(DataType::kF32, 3, k, make_values(random, 3, k, Fill::kNormal));
    x.set(3, 7, std::numeric_limits<float>::quiet_NaN());
    for (const Level& level : levels_with(KernelFamily::kLayerNorm)) {
        const Norm norm = parameters.make(level);
        Workspace workspace;
        TypedMatrix y(DataType::kF32, m, k), out(DataType::kF32, m, 3);
        REQUIRE(norm.run(x.view(), y.mutable_view(), workspace).ok());
        for (std::int64_t row = 0; row < m; row++)
            CHECK(std::isnan(y.at(row, 0)) == (row == 3));
        const Result<Linear> linear = Linear::pack(w.view(), {}, {}, supported_isas());
        REQUIRE(linear.ok());
        PackedRows rows;
        require_error(norm.run(x.view(), linear.value(), rows, workspace), StatusCode::kNonFinite, {"row 3"});
        require_error(linear.value().run(rows, out.mutable_view(), workspace), StatusCode::kInvalidArgument,
                      {"packed"});
    }
}

TEST_CASE("what a norm refuses") {
    const float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> weight(4, 1.0f), bias(4, 0.0f), short_bias(3, 0.0f);
    const auto make = [&](NormKind kind, std::span<const float> w, std::span<const float> b, float epsilon,
                          IsaSet isas) { return Norm::make(kind, w, b, epsilon, isas).status(); };
    const IsaSet isas = supported_isas();
    require_error(make(NormKind::kLayerNorm, {}, {}, 0, isas), StatusCode::kInvalidArgument, {"0 weights"});
    require_error(make(NormKind::kLayerNorm, weight, short_bias, 0, isas), StatusCode::kInvalidArgument, {"3", "4"});
    require_error(make(NormKind::kRmsNorm, weight, bias, 0, isas), StatusCode::kInvalidArgument, {"rmsnorm"});
    require_error(make(NormKind::kLayerNorm, weight, bias, -1, isas), StatusCode::kInvalidArgument, {"epsilon -1"});
    require_error(make(NormKind::kLayerNorm, weight, bias, infinity, isas), StatusCode::kInvalidArgument,
                  {"epsilon inf"});
    require_error(make(NormKind::kLayerNorm, std::vector{1.0f, infinity}, {}, 0, isas), StatusCode::kNonFinite,
                  {"weight", "feature 1"});
    require_error(make(NormKind::kLayerNorm, weight, bias, 0, {}), StatusCode::kUnsupported, {"none"});

    const Result<Norm> norm = Norm::make(NormKind::kLayerNorm, weight, {}, 1e-5f, isas);
    REQUIRE(norm.ok());
    Workspace workspace;
    TypedMatrix x(DataType::kF32, 2, 4), y(DataType::kF32, 2, 4), other(DataType::kF16, 2, 4),
        wide(DataType::kF32, 2, 5), tall(DataType::kF32, 3, 4), bytes(DataType::kI8, 2, 4);
    const auto run = [&](const TypedMatrix& in, TypedMatrix& out, const NormAddition& addition = {}) {
        return norm.value().run(in.view(), out.mutable_view(), workspace, addition);
    };
    require_error(run(wide, y), StatusCode::kInvalidArgument, {"5", "4 features"});
    require_error(run(x, tall), StatusCode::kInvalidArgument, {"y [3, 4]"});
    require_error(run(bytes, y), StatusCode::kUnsupported, {"i8"});
    require_error(run(x, bytes), StatusCode::kUnsupported, {"i8"});
    require_error(run(x, y, {other.view(), x.mutable_view()}), StatusCode::kInvalidArgument, {"residual", "f16"});
    require_error(run(x, y, {x.view(), other.mutable_view()}), StatusCode::kInvalidArgument, {"sum", "f16"});
    require_error(run(x, y, {x.view(), {}}), StatusCode::kInvalidArgument, {"sum"});
    CHECK(y.untouched());
}

}  // namespace
}  // namespace octile::test
