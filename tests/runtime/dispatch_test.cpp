// Every kernel that dispatch can choose, once, on whatever CPU this is: CTest runs it as several. An instruction that
// the CPU lacks ends the program, a wrong level fails the first test, and the INT8 results have to be the same bits
// everywhere.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "octile/cpu.h"
#include "octile/linear.h"
#include "tests/inputs/status_checks.h"
#include "tests/kernels/fp16_check.h"
#include "tests/reference/hash.h"
#include "tests/reference/linear.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

// Changes only together with docs/quantization.md.
constexpr std::uint64_t kGolden = 0x86f50ae03e07ead7;

constexpr std::int64_t kK = 37, kN = 29;
// Every number of rows has a kernel of its own, up to that of the tallest tile.
constexpr std::int64_t kMostRows = 17;

// A layer and its run, for the number `i`: over a few dozens of them every choice meets every other.
struct Choice {
    explicit Choice(std::size_t i)
        : weights(kWeightTypes[i % 3]),
          in(kActivationTypes[i / 3 % 3]),
          out(kActivationTypes[(i / 2 + i / 9) % 3]),
          activation(kActivations[i % 8]) {}

    DataType weights, in, out;
    Activation activation;
};
constexpr std::size_t kChoices = 9;  // of each number of rows

TEST_CASE("the levels of the CPU are those that its model has") {
    const char* expected = std::getenv("OCTILE_EXPECTED_ISAS");
    if (!expected) return;
    CHECK(to_string(supported_isas()) == expected);
}

TEST_CASE("OCTILE_ISA takes every level of the CPU and refuses every other") {
    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
        const std::string name(name_of(isa));
        const EnvironmentVariable forced("OCTILE_ISA", name);
        const Result<IsaSet> usable = usable_isas();
        INFO(name);
        REQUIRE(usable.ok() == supported_isas().has(isa));
        if (usable.ok()) {
            for (int other = 0; other < kIsaCount; other++) {
                CHECK(usable.value().has(static_cast<Isa>(other)) ==
                      (other <= i && supported_isas().has(static_cast<Isa>(other))));
            }
        } else {
            require_error(usable.status(), StatusCode::kUnsupported,
                          {"OCTILE_ISA", name, "not supported by this CPU", to_string(supported_isas())});
        }
    }
}

TEST_CASE("every int8 kernel of the CPU gives the bits that all CPUs give") {
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        reference::Hash hash;
        for (std::size_t i = 0; i < kMostRows * kChoices; i++) {
            const std::int64_t m = 1 + static_cast<std::int64_t>(i / kChoices);
            const Choice choice(i);
            Random random("dispatch int8");
            const TypedMatrix w(choice.weights, kN, kK, make_values(random, kN, kK, Fill::kNormal));
            const TypedMatrix x(choice.in, m, kK, make_values(random, m, kK, Fill::kNormal));
            const std::vector<float> bias = make_values(random, 1, kN, Fill::kNormal);
            const bool asymmetric = i % 2;
            const reference::QuantizedRows rows =
                asymmetric ? reference::quantize_rows_asymmetric(x.values(), static_cast<std::size_t>(m), kK)
                           : reference::quantize_rows(x.values(), static_cast<std::size_t>(m), kK);
            const std::vector<float> expected =
                reference::linear_s8(rows, reference::quantize_weights(w.values(), kN, kK), bias, choice.activation);
            const LinearOptions options{
                .activation = choice.activation,
                .input_scaling = asymmetric ? InputScaling::kAsymmetric : InputScaling::kDynamic};
            const Result<Linear> linear = Linear::pack(w.view(), bias, options, level.isas);
            REQUIRE(linear.ok());
            TypedMatrix y(choice.out, m, kN);
            Workspace workspace;
            REQUIRE(linear.value().run(x.view(), y.mutable_view(), workspace).ok());
            INFO(linear.value().kernel_name(m));
            CHECK(first_difference(y, expected) == "");
            // A kernel of the level that was asked for, and not of another.
            CHECK(linear.value().kernel_name(m).ends_with(name_of(level.isa)));
            for (const float value : y.values())
                hash.add(value);
        }
        INFO(name_of(level.isa) << std::hex << ": 0x" << hash.value() << " against 0x" << kGolden);
        CHECK(hash.value() == kGolden);
    }
}

TEST_CASE("every fp16 kernel of the CPU is within its tolerance") {
    for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
        for (std::size_t i = 0; i < kMostRows * kChoices; i++) {
            const std::int64_t m = 1 + static_cast<std::int64_t>(i / kChoices);
            const Choice choice(i);
            Random random("dispatch fp16");
            const TypedMatrix w(choice.weights, kN, kK, make_values(random, kN, kK, Fill::kNormal));
            const TypedMatrix x(choice.in, m, kK, make_values(random, m, kK, Fill::kNormal));
            const std::vector<float> w_seen = TypedMatrix(DataType::kF16, kN, kK, w.values()).values(),
                                     x_seen = TypedMatrix(DataType::kF16, m, kK, x.values()).values();
            const ExactLayer exact(x_seen, w_seen, {}, m, kK, kN);
            const Result<Linear> linear = Linear::pack(
                w.view(), {}, {.precision = Precision::kFp16, .activation = choice.activation}, level.isas);
            REQUIRE(linear.ok());
            TypedMatrix y(choice.out, m, kN);
            Workspace workspace;
            REQUIRE(linear.value().run(x.view(), y.mutable_view(), workspace).ok());
            INFO(linear.value().kernel_name(m) << ' ' << name_of(choice.activation));
            CHECK(first_beyond_tolerance(y, exact, choice.activation, arithmetic_of(level.isa)) == "");
        }
    }
}

TEST_CASE("every kind of layer runs on every level of the CPU") {
    Random random("dispatch kinds");
    const TypedMatrix w(DataType::kF32, kN, kK, make_values(random, kN, kK, Fill::kNormal)),
        x(DataType::kF32, kMostRows, kK, make_values(random, kMostRows, kK, Fill::kNormal)),
        residual(DataType::kF32, kMostRows, kN, make_values(random, kMostRows, kN, Fill::kNormal));
    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
        if (!supported_isas().has(isa)) continue;
        const Result<IsaSet> isas = limit_isas(supported_isas(), name_of(isa));
        REQUIRE(isas.ok());
        INFO(name_of(isa));
        for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
            const LinearOptions options{.precision = precision, .activation = Activation::kSilu};
            const Result<Linear> plain = Linear::pack(w.view(), {}, options, isas.value()),
                                 gated = Linear::pack_gated(w.view(), {}, w.view(), {}, options, isas.value());
            REQUIRE(plain.ok());
            REQUIRE(gated.ok());
            Workspace workspace;
            for (const DataType out : {DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kI8}) {
                TypedMatrix y(out, kMostRows, kN);
                CHECK(plain->run(x.view(), y.mutable_view(), workspace, {.residual = {}, .output_scale = 0.1f}).ok());
                CHECK(gated->run(x.view(), y.mutable_view(), workspace, {.residual = {}, .output_scale = 0.1f}).ok());
            }
            TypedMatrix y(DataType::kF32, kMostRows, kN);
            CHECK(plain->run(x.view(), y.mutable_view(), workspace, {.residual = residual.view()}).ok());
        }
    }
}

}  // namespace
}  // namespace octile::test
