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
constexpr std::uint64_t kGolden = 0xc72832619ab84db9;

constexpr std::int64_t kK = 37, kN = 29;
// One row and several take different kernels.
constexpr std::int64_t kRows[] = {1, 2, 11};

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
        for (const std::int64_t m : kRows) {
            for (const DataType weight_type : kWeightTypes) {
                Random random("dispatch int8");
                const TypedMatrix w(weight_type, kN, kK, make_values(random, kN, kK, Fill::kNormal));
                const std::vector<float> x_values = make_values(random, m, kK, Fill::kNormal);
                const std::vector<float> bias = make_values(random, 1, kN, Fill::kNormal);
                for (const Activation activation : kActivations) {
                    const Result<Linear> linear = Linear::pack(w.view(), bias, {.activation = activation}, level.isas);
                    REQUIRE(linear.ok());
                    for (const DataType in : kActivationTypes) {
                        const TypedMatrix x(in, m, kK, x_values);
                        const std::vector<float> expected = reference::linear_s8(
                            x.values(), w.values(), bias, static_cast<std::size_t>(m), kK, kN, activation);
                        for (const DataType out : kActivationTypes) {
                            TypedMatrix y(out, m, kN);
                            Workspace workspace;
                            REQUIRE(linear.value().run(x.view(), y.mutable_view(), workspace).ok());
                            INFO(linear.value().kernel_name(m, out));
                            CHECK(first_difference(y, expected) == "");
                            // A kernel of the level that was asked for, and not of another.
                            CHECK(linear.value().kernel_name(m, out).ends_with(name_of(level.isa)));
                            for (const float value : y.values())
                                hash.add(value);
                        }
                    }
                }
            }
        }
        INFO(name_of(level.isa) << std::hex << ": 0x" << hash.value() << " against 0x" << kGolden);
        CHECK(hash.value() == kGolden);
    }
}

TEST_CASE("every fp16 kernel of the CPU is within its tolerance") {
    for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
        for (const std::int64_t m : kRows) {
            for (const DataType weight_type : kWeightTypes) {
                Random random("dispatch fp16");
                const TypedMatrix w(weight_type, kN, kK, make_values(random, kN, kK, Fill::kNormal));
                const std::vector<float> w_seen = TypedMatrix(DataType::kF16, kN, kK, w.values()).values();
                const std::vector<float> x_values = make_values(random, m, kK, Fill::kNormal);
                const std::vector<float> x_seen = TypedMatrix(DataType::kF16, m, kK, x_values).values();
                const ExactLayer exact(x_seen, w_seen, {}, m, kK, kN);
                for (const Activation activation : kActivations) {
                    const Result<Linear> linear = Linear::pack(
                        w.view(), {}, {.precision = Precision::kFp16, .activation = activation}, level.isas);
                    REQUIRE(linear.ok());
                    for (const DataType in : kActivationTypes) {
                        for (const DataType out : kActivationTypes) {
                            const TypedMatrix x(in, m, kK, x_values);
                            TypedMatrix y(out, m, kN);
                            Workspace workspace;
                            REQUIRE(linear.value().run(x.view(), y.mutable_view(), workspace).ok());
                            INFO(linear.value().kernel_name(m, out));
                            CHECK(first_beyond_tolerance(y, exact, activation, arithmetic_of(level.isa)) == "");
                        }
                    }
                }
            }
        }
    }
}

}  // namespace
}  // namespace octile::test
