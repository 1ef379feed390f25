// The FP16 path of octile::Linear, against double, within bounds that are derived from the operands.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "octile/linear.h"
#include "tests/kernels/fp16_check.h"
#include "tests/kernels/run_layer.h"
#include "tests/reference/linear.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/shapes.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

void run(const Linear& linear, const TypedMatrix& x, TypedMatrix& y) {
    Workspace workspace;
    const Status status = linear.run(x.view(), y.mutable_view(), workspace);
    INFO(status.message());
    REQUIRE(status.ok());
    CHECK(y.surroundings_intact());
}

Linear pack(const TypedMatrix& w, std::span<const float> bias, Activation activation, const Level& level) {
    Result<Linear> linear =
        Linear::pack(w.view(), bias, {.precision = Precision::kFp16, .activation = activation}, level.isas);
    INFO(linear.status().message());
    REQUIRE(linear.ok());
    return std::move(linear).value();
}

void check_shape(const Shape& shape, Fill x_fill, Fill w_fill, int combinations = 4) {
    const auto [m, k, n] = shape;
    std::ostringstream key;
    key << "fp16 " << shape << " x " << name_of(x_fill) << " w " << name_of(w_fill);
    Random random(key.str());
    INFO(random);
    const std::vector<float> x_values = make_values(random, m, k, x_fill), w_values = make_values(random, n, k, w_fill);
    const std::vector<float> bias = make_values(random, 1, n, Fill::kNormal);
    const TypedMatrix w(DataType::kF32, n, k, w_values, random.below(2) * 3);
    const std::vector<float> w_seen = rounded_to(DataType::kF16, n, k, w_values);
    for (int i = 0; i < combinations; i++) {
        const Combination how = draw_combination(random);
        const std::span<const float> b = how.biased ? std::span<const float>(bias) : std::span<const float>();
        // f32 and f16 hold the same numbers once the kernel has rounded them; bf16 has lost some before.
        const std::vector<float> x_seen = rounded_to(DataType::kF16, m, k, rounded_to(how.in, m, k, x_values));
        const ExactLayer exact(x_seen, w_seen, b, m, k, n);
        for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
            const Linear linear = pack(w, b, how.activation, level);
            const TypedMatrix x(how.in, m, k, x_values, random.below(2) * 3);
            TypedMatrix y(how.out, m, n, random.below(2) * 5);
            const ThreadCount threads(random.below(2) ? 1 : 4);
            run(linear, x, y);
            INFO(linear.kernel_name(m) << ", " << how);
            CHECK(first_beyond_tolerance(y, exact, how.activation, arithmetic_of(level.isa)) == "");
        }
    }
}

TEST_CASE("fp16 linear: every M around the tiles") {
    for (const Shape& shape : row_sweep(KernelFamily::kGemmF16))
        check_shape(shape, Fill::kNormal, Fill::kNormal);
}

TEST_CASE("fp16 linear: every N around the tiles") {
    for (const Shape& shape : column_sweep(KernelFamily::kGemmF16))
        check_shape(shape, Fill::kNormal, Fill::kNormal);
}

TEST_CASE("fp16 linear: every K around the blocks and the chunk") {
    for (const Shape& shape : reduction_sweep(static_cast<std::int64_t>(reference::f16_chunk)))
        check_shape(shape, Fill::kNormal, Fill::kNormal);
}

TEST_CASE("fp16 linear: powers of two and their neighbours") {
    for (const Shape& shape : powers_of_two()) {
        if (shape.m < 100) check_shape(shape, Fill::kNormal, Fill::kNormal);
    }
}

TEST_CASE("fp16 linear: extreme shapes") {
    for (const Shape& shape : extreme_shapes(KernelFamily::kGemmF16))
        check_shape(shape, Fill::kNormal, Fill::kNormal, 1);
}

TEST_CASE("fp16 linear: extreme values, each against each") {
    for (const Fill x : kFills) {
        for (const Fill w : kFills)
            check_shape({10, 37, 15}, x, w);
    }
}

TEST_CASE("fp16 linear: every activation and type at one ragged shape") {
    check_shape({19, 67, 35}, Fill::kNormal, Fill::kNormal, 60);
}

TEST_CASE("fp16 linear: the error does not grow with the number of chunks") {
    // Same signs: where a sum kept in f16 would stop growing at 2048.
    check_shape({2, 20000, 2}, Fill::kHighest, Fill::kHighest);
}

TEST_CASE("fp16 linear: weights of every type, strided") {
    Random random("fp16 weight types");
    INFO(random);
    const std::int64_t m = 7, k = 45, n = 29;
    const TypedMatrix x(DataType::kF16, m, k, make_values(random, m, k, Fill::kNormal));
    const std::vector<float> w_values = make_values(random, n, k, Fill::kNormal);
    for (const DataType type : kWeightTypes) {
        for (const std::int64_t padding : {0, 3}) {
            const TypedMatrix w(type, n, k, w_values, padding);
            const ExactLayer exact(x.values(), TypedMatrix(DataType::kF16, n, k, w.values()).values(), {}, m, k, n);
            for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
                TypedMatrix y(DataType::kF32, m, n);
                run(pack(w, {}, Activation::kNone, level), x, y);
                INFO(name_of(type) << ", padding " << padding << ", " << name_of(level.isa));
                CHECK(first_beyond_tolerance(y, exact, Activation::kNone, arithmetic_of(level.isa)) == "");
            }
        }
    }
}

TEST_CASE("fp16 linear: the same bits for every number of threads") {
    Random random("fp16 threads");
    INFO(random);
    const TypedMatrix x(DataType::kF32, 40, 200, make_values(random, 40, 200, Fill::kNormal));
    const TypedMatrix w(DataType::kF32, 130, 200, make_values(random, 130, 200, Fill::kNormal));
    for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
        const Linear linear = pack(w, {}, Activation::kSilu, level);
        TypedMatrix one(DataType::kF32, 40, 130), four(DataType::kF32, 40, 130), callers(DataType::kF32, 40, 130);
        {
            const ThreadCount threads(1);
            run(linear, x, one);
        }
        const ThreadCount threads(4);
        run(linear, x, four);
        const CallersPool pool(2);
        run(linear, x, callers);
        CHECK(first_difference(four, one.values()) == "");
        CHECK(first_difference(callers, one.values()) == "");
    }
}

TEST_CASE("fp16 linear: NaN and infinities of a row go where IEEE arithmetic takes them, and into no other row") {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    const std::int64_t k = 130, n = 26;
    for (const std::int64_t m : {1, 3, 9}) {
        Random random("fp16 non-finite");
        INFO(random);
        std::vector<float> w_values = make_values(random, n, k, Fill::kNormal);
        w_values[129] = 0;  // times infinity: a NaN in column 0 alone
        const TypedMatrix w(DataType::kF16, n, k, w_values);
        for (const DataType in : kActivationTypes) {
            for (const std::vector<float>& bad : std::vector<std::vector<float>>{
                     {nan}, {infinity}, {-infinity}, {infinity, -infinity}, {nan, infinity}}) {
                TypedMatrix x(in, m, k, make_values(random, m, k, Fill::kNormal));
                for (std::size_t i = 0; i < bad.size(); i++)
                    x.set(m - 1, k - 1 - 2 * static_cast<std::int64_t>(i), bad[i]);
                const ExactLayer exact(TypedMatrix(DataType::kF16, m, k, x.values()).values(), w.values(), {}, m, k, n);
                for (const Activation activation : kActivations) {
                    for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
                        for (const DataType out : kActivationTypes) {
                            TypedMatrix y(out, m, n);
                            const Linear linear = pack(w, {}, activation, level);
                            run(linear, x, y);
                            INFO(linear.kernel_name(m) << ", " << name_of(in) << " in, " << name_of(out) << " out, "
                                                       << name_of(activation) << ", x holds " << bad[0]);
                            CHECK(first_beyond_tolerance(y, exact, activation, arithmetic_of(level.isa)) == "");
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE("fp16 linear: an output beyond f16 is an infinity in f16 and a number in f32") {
    const std::vector<float> x_values(64, 100.0f), w_values(64, 15.0f), negative(64, -15.0f);
    const TypedMatrix x(DataType::kF32, 1, 64, x_values);
    for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
        // A chunk of f16 arithmetic would overflow first.
        if (arithmetic_of(level.isa) == reference::Fp16Arithmetic::kF16) continue;
        TypedMatrix f16(DataType::kF16, 1, 1), f32(DataType::kF32, 1, 1), low(DataType::kF16, 1, 1);
        const Linear linear = pack(TypedMatrix(DataType::kF32, 1, 64, w_values), {}, Activation::kNone, level);
        run(linear, x, f16);
        run(linear, x, f32);
        run(pack(TypedMatrix(DataType::kF32, 1, 64, negative), {}, Activation::kNone, level), x, low);
        CHECK(f16.at(0, 0) == std::numeric_limits<float>::infinity());
        CHECK(low.at(0, 0) == -std::numeric_limits<float>::infinity());
        CHECK(f32.at(0, 0) == 96000.0f);
    }
}

// Not part of the default set: about fifty times as long.
TEST_CASE("fp16 linear: every combination of small sides", "[.][exhaustive]") {
    for (std::int64_t m = 1; m <= 26; m++) {
        for (const std::int64_t k : with_edges({1, 2, 3, 5, 7, 9, 13}, {16, 32, 64, 128})) {
            for (const std::int64_t n :
                 with_edges({1, 2, 3, 5, 7}, tiles_of(KernelFamily::kGemmF16, &KernelInfo::tile_n))) {
                check_shape({m, k, n}, Fill::kNormal, Fill::kNormal);
            }
        }
    }
}

TEST_CASE("fp16 linear: layers of real networks", "[.][exhaustive]") {
    for (const Shape& shape :
         {Shape{197, 768, 3072}, {128, 384, 1536}, {1, 2048, 6144}, {128, 1536, 384}, {256, 144, 288}}) {
        check_shape(shape, Fill::kNormal, Fill::kNormal);
    }
}

}  // namespace
}  // namespace octile::test
