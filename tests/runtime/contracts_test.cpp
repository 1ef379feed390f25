// What octile/linear.h promises beside its results: numbers that f16 does not hold, objects that were moved from, the
// caller's floating-point environment, bounds on a gated layer.
#include <catch2/catch.hpp>
#include <cfenv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "octile/layer.h"
#include "octile/linear.h"
#include "octile/norm.h"
#include "tests/inputs/status_checks.h"
#include "tests/runtime/errors.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

Linear pack_layer(const TypedMatrix& w, const LinearOptions& options) {
    Result<Linear> linear = Linear::pack(w.view(), {}, options, supported_isas());
    REQUIRE(linear.ok());
    return std::move(linear).value();
}

TypedMatrix normal(const std::string& seed, std::int64_t rows, std::int64_t columns, DataType type = DataType::kF32) {
    Random random(seed);
    return {type, rows, columns, make_values(random, rows, columns, Fill::kNormal)};
}

TEST_CASE("FP16: a finite x beyond f16 is an error that names the row, and y is as it was") {
    constexpr std::int64_t kK = 40, kN = 24;
    const Linear linear = pack_layer(normal("beyond w", kN, kK), {.precision = Precision::kFp16});
    for (const DataType type : {DataType::kF32, DataType::kBF16}) {
        for (const std::int64_t m : {1, 3, 17, 100}) {
            for (const float beyond : {70000.0f, -70000.0f, 3e38f}) {
                INFO(name_of(type) << ", " << m << " rows, " << beyond);
                TypedMatrix x = normal("beyond x", m, kK, type);
                const std::int64_t row = m / 2;
                x.set(row, kK - 1, beyond);
                if (m > 50) x.set(m - 1, 0, beyond);
                TypedMatrix y(DataType::kF32, m, kN);
                Workspace workspace;
                require_error(linear.run(x.view(), y.mutable_view(), workspace), StatusCode::kNonFinite,
                              {"x: row " + std::to_string(row) + " ", "65504"});
                CHECK(y.untouched());
            }
        }
    }
}

TEST_CASE("FP16: what f16 holds, NaN and infinities are no error") {
    constexpr std::int64_t kK = 33, kN = 16;
    for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
        const Linear linear =
            pack_layer(normal("held w", kN, kK), {.precision = Precision::kFp16, .activation = activation});
        Workspace workspace;
        TypedMatrix y(DataType::kF32, 3, kN);
        const auto run = [&](float value) {
            TypedMatrix x = normal("held x", 3, kK);
            x.set(1, 2, value);
            return linear.run(x.view(), y.mutable_view(), workspace);
        };
        for (const float held : {65504.0f, 65519.0f, -65519.0f, kInfinity, -kInfinity, kNan})
            CHECK(run(held).ok());
        // The last was NaN: its row is NaN, but for relu, which makes +0 of it.
        for (std::int64_t column = 0; column < kN; column++) {
            const float value = y.at(1, column);
            if (activation == Activation::kNone)
                CHECK(std::isnan(value));
            else
                CHECK((value == 0 && !std::signbit(value)));
            CHECK(std::isfinite(y.at(0, column)));
        }
    }
    const Linear linear = pack_layer(normal("f16 w", kN, kK), {.precision = Precision::kFp16});
    TypedMatrix x = normal("f16 x", 2, kK, DataType::kF16), y(DataType::kF32, 2, kN);
    x.set(0, 0, kInfinity);
    Workspace workspace;
    CHECK(linear.run(x.view(), y.mutable_view(), workspace).ok());
}

TEST_CASE("FP16: products with an input multiplier, and what a norm yields, are looked at too") {
    constexpr std::int64_t kK = 32, kN = 16;
    std::vector<float> multiplier(kK, 1.0f);
    multiplier[5] = 1e5f;
    const Linear multiplied =
        pack_layer(normal("multiplied w", kN, kK), {.precision = Precision::kFp16, .input_multiplier = multiplier});
    TypedMatrix x(DataType::kF32, 4, kK, std::vector<float>(4 * kK, 1.0f)), y(DataType::kF32, 4, kN);
    Workspace workspace;
    require_error(multiplied.run(x.view(), y.mutable_view(), workspace), StatusCode::kNonFinite,
                  {"x: row 0 ", "65504"});

    const Linear linear = pack_layer(normal("normed w", kN, kK), {.precision = Precision::kFp16});
    const Result<Norm> norm = Norm::make(NormKind::kRmsNorm, multiplier, {}, 1e-5f, supported_isas());
    REQUIRE(norm.ok());
    x.set(0, 5, 0.0f);
    x.set(1, 5, 0.0f);
    PackedRows rows;
    require_error(norm->run(x.view(), linear, rows, workspace), StatusCode::kNonFinite, {"x: row 2 ", "65504"});
    CHECK(rows.rows() == 0);
}

TEST_CASE("FP16 weights: beyond f16 and not finite are two messages") {
    const auto message = [](float value) {
        TypedMatrix w = make_matrix(DataType::kF32, 20, 20);
        w.set(7, 3, value);
        const Status status = Linear::pack(w.view(), {}, {.precision = Precision::kFp16}, supported_isas()).status();
        require_error(status, StatusCode::kNonFinite, {"weights", "output channel 7 "});
        return status.message();
    };
    CHECK(message(70000).find("65504") != std::string::npos);
    CHECK(message(kNan).find("65504") == std::string::npos);
    CHECK(message(-kInfinity).find("NaN or infinity") != std::string::npos);
}

TEST_CASE("a workspace and rows that were moved from are like new ones") {
    const Linear linear = pack_layer(normal("moved w", 16, 32), {});
    const TypedMatrix x = normal("moved x", 3, 32);
    TypedMatrix expected(DataType::kF32, 3, 16), y(DataType::kF32, 3, 16);
    Workspace first;
    REQUIRE(linear.run(x.view(), expected.mutable_view(), first).ok());
    Workspace second = std::move(first);
    CHECK(second.bytes() > 0);
    CHECK(first.bytes() == 0);  // NOLINT(bugprone-use-after-move): that is what is tested
    CHECK(linear.run(x.view(), y.mutable_view(), first).ok());
    CHECK(first_difference(y, expected.values()) == "");

    PackedRows rows;
    REQUIRE(linear.pack_rows(x.view(), rows).ok());
    PackedRows taken = std::move(rows);
    CHECK(rows.rows() == 0);  // NOLINT(bugprone-use-after-move)
    CHECK(rows.columns() == 0);
    CHECK(rows.bytes() == 0);
    CHECK_FALSE(linear.accepts(rows));
    require_error(linear.run(rows, y.mutable_view(), first), StatusCode::kInvalidArgument, {"these rows [0, 0]"});
    CHECK(linear.pack_rows(x.view(), rows).ok());
    CHECK(linear.run(rows, y.mutable_view(), first).ok());
    CHECK(first_difference(y, expected.values()) == "");
}

TEST_CASE("the caller's rounding mode is nobody else's: results are those of rounding to nearest") {
    constexpr std::int64_t kM = 64, kK = 300, kN = 200;
    const TypedMatrix w = normal("rounding w", kN, kK), x = normal("rounding x", kM, kK);
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        const LinearOptions options{.precision = precision, .activation = Activation::kGelu};
        TypedMatrix expected(DataType::kF16, kM, kN);
        Workspace workspace;
        REQUIRE(pack_layer(w, options).run(x.view(), expected.mutable_view(), workspace).ok());
        for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
            for (const int count : {1, 3}) {
                const ThreadCount threads(count);
                REQUIRE(std::fesetround(mode) == 0);
                const Linear linear = pack_layer(w, options);
                TypedMatrix y(DataType::kF16, kM, kN);
                const Status status = linear.run(x.view(), y.mutable_view(), workspace);
                const int after = std::fegetround();
                std::fesetround(FE_TONEAREST);
                CHECK(status.ok());
                CHECK(after == mode);
                CHECK(first_difference(y, expected.values()) == "");
            }
        }
    }
}

TEST_CASE("a range on a gated layer bounds the gate") {
    constexpr std::int64_t kM = 5, kK = 64, kN = 48;
    const TypedMatrix gate = normal("gate", kN, kK), up = normal("up", kN, kK), x = normal("gated x", kM, kK);
    const OutputRange range{-0.5f, 2.0f};
    Result<Linear> gated = Linear::pack_gated(gate.view(), {}, up.view(), {}, {.range = range}, supported_isas());
    REQUIRE(gated.ok());
    TypedMatrix y(DataType::kF32, kM, kN), bounded(DataType::kF32, kM, kN), other(DataType::kF32, kM, kN);
    Workspace workspace;
    REQUIRE(gated->run(x.view(), y.mutable_view(), workspace).ok());
    REQUIRE(pack_layer(gate, {.range = range}).run(x.view(), bounded.mutable_view(), workspace).ok());
    REQUIRE(pack_layer(up, {}).run(x.view(), other.mutable_view(), workspace).ok());
    bool beyond = false;
    for (std::int64_t row = 0; row < kM; row++) {
        for (std::int64_t column = 0; column < kN; column++) {
            CHECK(y.at(row, column) == bounded.at(row, column) * other.at(row, column));
            beyond = beyond || y.at(row, column) > range.high;
        }
    }
    CHECK(beyond);
}

TEST_CASE("levels of x: one fewer than the largest K") {
    const LinearOptions options{.input_scaling = InputScaling::kStatic, .input_scale = 1};
    const auto run = [&](std::int64_t k) {
        const TypedMatrix w(DataType::kF32, 1, k, std::vector<float>(static_cast<std::size_t>(k), 1.0f)),
            x(DataType::kI8, 1, k, std::vector<float>(static_cast<std::size_t>(k), -128.0f));
        TypedMatrix y(DataType::kF32, 1, 1);
        Workspace workspace;
        const Status status = pack_layer(w, options).run(x.view(), y.mutable_view(), workspace);
        if (status.ok()) CHECK(y.at(0, 0) == Approx(-128.0 * static_cast<double>(k)).epsilon(1e-6));
        return status;
    };
    CHECK(run(kMaxReduction - 1).ok());
    require_error(run(kMaxReduction), StatusCode::kInvalidArgument, {"x of type i8 with K = 131072"});
}

}  // namespace
}  // namespace octile::test
