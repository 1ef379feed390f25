// SVE kernels are compiled for one length of vector and give wrong numbers, without an error, on another. CTest runs
// this program on emulated CPUs of several lengths.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octile/cpu.h"
#include "octile/linear.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

constexpr std::int64_t kMaxRows = 17;

struct Shape {
    std::int64_t k, n;
};
// Less than a block of k or a tile of columns, exact multiples of both, one more, one less, and several strips.
constexpr Shape kShapes[] = {{1, 1},   {7, 5},   {8, 12},  {9, 24},    {15, 25},  {16, 47},  {17, 48},  {31, 49},
                             {33, 95}, {64, 96}, {96, 97}, {129, 143}, {200, 60}, {384, 36}, {48, 612}, {65, 1001}};

std::optional<Isa> level_of_this_length() {
    const char* expected = std::getenv("OCTILE_EXPECTED_INT8_ISA");
    if (!expected) return std::nullopt;
    const std::optional<Isa> isa = parse_isa(expected);
    REQUIRE(isa.has_value());
    return isa;
}

IsaSet up_to(Isa isa) {
    const Result<IsaSet> isas = limit_isas(supported_isas(), name_of(isa));
    REQUIRE(isas.ok());
    return isas.value();
}

// Of the first `rows` rows of x.
std::vector<float> run(const Linear& linear, const TypedMatrix& x, std::int64_t rows, DataType type = DataType::kF32,
                       const RunOptions& options = {}) {
    TypedMatrix y(type, rows, linear.n());
    Workspace workspace;
    MatrixView first = x.view();
    first.rows = rows;
    const Status status = linear.run(first, y.mutable_view(), workspace, options);
    INFO(status.message());
    REQUIRE(status.ok());
    return y.values();
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_CASE("dispatch takes the kernels of the vectors' length, or those of a lower level") {
    const std::optional<Isa> expected = level_of_this_length();
    if (!expected) return;
    const Isa highest = levels_with(KernelFamily::kGemmS8).back().isa;
    CHECK(name_of(highest) == name_of(*expected));
    CHECK(supported_isas().has(Isa::kSve256) == (*expected == Isa::kSve256));
    const EnvironmentVariable forced("OCTILE_ISA", "sve256");
    CHECK(usable_isas().ok() == (*expected == Isa::kSve256));
}

TEST_CASE("the CPU's best level gives the bits of i8mm") {
    if (!supported_isas().has(Isa::kI8mm)) return;
    const IsaSet best_isas = supported_isas(), i8mm_isas = up_to(Isa::kI8mm);
    const std::string_view best_name = name_of(levels_with(KernelFamily::kGemmS8).back().isa);
    const InputScaling scaling = GENERATE(InputScaling::kDynamic, InputScaling::kStatic, InputScaling::kAsymmetric);
    // With gelu, the GEMM writes to scratch memory instead of y.
    const Activation activation = GENERATE(Activation::kNone, Activation::kGelu);
    const Fill fill = GENERATE(Fill::kNormal, Fill::kHighest);
    for (const Shape& shape : kShapes) {
        Random random("vector length");
        const TypedMatrix w(DataType::kF32, shape.n, shape.k, make_values(random, shape.n, shape.k, Fill::kNormal));
        const TypedMatrix x(DataType::kF32, kMaxRows, shape.k, make_values(random, kMaxRows, shape.k, fill));
        const std::vector<float> bias = make_values(random, 1, shape.n, Fill::kNormal);
        const LinearOptions options{.activation = activation, .input_scaling = scaling, .input_scale = 0.02f};
        const Result<Linear> best = Linear::pack(w.view(), bias, options, best_isas);
        const Result<Linear> i8mm = Linear::pack(w.view(), bias, options, i8mm_isas);
        REQUIRE(best.ok());
        REQUIRE(i8mm.ok());
        std::vector<float> all_rows;
        for (std::int64_t rows = 1; rows <= kMaxRows; rows++) {
            INFO("M " << rows << ", K " << shape.k << ", N " << shape.n << ", " << best.value().kernel_name(rows));
            CHECK(best.value().kernel_name(rows).ends_with(best_name));
            CHECK(i8mm.value().kernel_name(rows).ends_with("i8mm"));
            const std::vector<float> y = run(best.value(), x, rows);
            CHECK(same_bits(y, run(i8mm.value(), x, rows)));
            CHECK(std::any_of(y.begin(), y.end(), [](float value) { return value != 0; }));
        }
    }
}

constexpr Activation kEveryActivation[] = {Activation::kNone,      Activation::kRelu, Activation::kRelu6,
                                           Activation::kHardswish, Activation::kGelu, Activation::kGeluTanh,
                                           Activation::kQuickGelu, Activation::kSilu};

TEST_CASE("every epilogue of the CPU's best level gives the bits of i8mm") {
    if (!supported_isas().has(Isa::kI8mm)) return;
    const DataType type = GENERATE(DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kI8);
    // Columns fill vectors of 4 and of 8, or leave one to seven over.
    constexpr std::int64_t kK = 70, kColumns[] = {3, 48, 49, 61, 71};
    constexpr std::int64_t kRows = 5;
    for (const std::int64_t n : kColumns) {
        Random random("vector length, epilogues");
        const TypedMatrix gate(DataType::kF32, n, kK, make_values(random, n, kK, Fill::kNormal));
        const TypedMatrix up(DataType::kF32, n, kK, make_values(random, n, kK, Fill::kNormal));
        const TypedMatrix x(DataType::kF32, kRows, kK, make_values(random, kRows, kK, Fill::kNormal));
        const TypedMatrix residual(type == DataType::kI8 ? DataType::kF32 : type, kRows, n,
                                   make_values(random, kRows, n, Fill::kNormal));
        for (const Activation activation : kEveryActivation) {
            INFO("N " << n << ", " << name_of(activation) << ", " << name_of(type));
            std::vector<float> results[3][2];
            for (const bool best : {false, true}) {
                const IsaSet isas = best ? supported_isas() : up_to(Isa::kI8mm);
                const LinearOptions options{.activation = activation};
                const Result<Linear> plain = Linear::pack(gate.view(), {}, options, isas);
                const Result<Linear> gated = Linear::pack_gated(gate.view(), {}, up.view(), {}, options, isas);
                REQUIRE(plain.ok());
                REQUIRE(gated.ok());
                results[0][best] = run(plain.value(), x, kRows, type, {.output_scale = 0.1f});
                results[1][best] =
                    run(plain.value(), x, kRows, type, {.residual = residual.view(), .output_scale = 0.1f});
                results[2][best] = run(gated.value(), x, kRows, type, {.output_scale = 2});
            }
            for (const auto& [i8mm, best] : results)
                CHECK(same_bits(best, i8mm));
        }
    }
}

}  // namespace
}  // namespace octile::test
