// One number for the bits of the INT8 path, so that machines agree that never meet: a build for another CPU, compiler
// or library that gives another number computes something else than docs/quantization.md.
#include <catch2/catch.hpp>
#include <cstdint>
#include <sstream>
#include <vector>

#include "octile/linear.h"
#include "tests/reference/hash.h"
#include "tests/reference/linear.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/shapes.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

// Changes only together with docs/quantization.md, and then CHANGELOG.md says so.
constexpr std::uint64_t kGolden = 0x98a5ba3a0d5be137;

// Written out, because they must not follow the tiles of an architecture.
constexpr Shape kShapes[] = {{1, 64, 48},  {2, 7, 3},    {3, 131, 33}, {8, 96, 24},
                             {13, 40, 65}, {17, 17, 17}, {50, 33, 20}};

// Adds every output of the golden set. run(x, w, bias, activation, y) computes one layer.
template <typename Run>
std::uint64_t hash_of_golden_set(const Run& run) {
    reference::Hash hash;
    for (const Shape& shape : kShapes) {
        for (const Fill fill : {Fill::kNormal, Fill::kOutlier, Fill::kTies, Fill::kDenormal}) {
            std::ostringstream key;
            key << "golden " << shape << ' ' << name_of(fill);
            Random random(key.str());
            const TypedMatrix w(DataType::kF32, shape.n, shape.k, make_values(random, shape.n, shape.k, Fill::kNormal));
            const std::vector<float> x_values = make_values(random, shape.m, shape.k, fill);
            const std::vector<float> bias = make_values(random, 1, shape.n, Fill::kNormal);
            for (const DataType in : kActivationTypes) {
                const TypedMatrix x(in, shape.m, shape.k, x_values);
                for (const Activation activation : kActivations) {
                    for (const DataType out : kActivationTypes) {
                        TypedMatrix y(out, shape.m, shape.n);
                        run(x, w, bias, activation, y);
                        for (const float value : y.values())
                            hash.add(value);
                    }
                }
            }
        }
    }
    return hash.value();
}

TEST_CASE("int8 linear: the golden bits, from the reference") {
    const std::uint64_t hash =
        hash_of_golden_set([](const TypedMatrix& x, const TypedMatrix& w, const std::vector<float>& bias,
                              Activation activation, TypedMatrix& y) {
            const std::vector<float> values = reference::linear_s8(
                x.values(), w.values(), bias, static_cast<std::size_t>(x.rows()), static_cast<std::size_t>(x.columns()),
                static_cast<std::size_t>(w.rows()), activation);
            for (std::int64_t i = 0; i < y.rows() * y.columns(); i++) {
                y.set(i / y.columns(), i % y.columns(), values[static_cast<std::size_t>(i)]);
            }
        });
    INFO(std::hex << "0x" << hash << " against 0x" << kGolden);
    CHECK(hash == kGolden);
}

TEST_CASE("int8 linear: the golden bits, on every level") {
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        const std::uint64_t hash =
            hash_of_golden_set([&](const TypedMatrix& x, const TypedMatrix& w, const std::vector<float>& bias,
                                   Activation activation, TypedMatrix& y) {
                const Result<Linear> linear = Linear::pack(w.view(), bias, {.activation = activation}, level.isas);
                REQUIRE(linear.ok());
                Workspace workspace;
                REQUIRE(linear.value().run(x.view(), y.mutable_view(), workspace).ok());
            });
        INFO(name_of(level.isa) << std::hex << ": 0x" << hash << " against 0x" << kGolden);
        CHECK(hash == kGolden);
    }
}

}  // namespace
}  // namespace octile::test
