// The INT8 path of octile::Linear: the bits of the reference, on every ISA level, thread count, stride and type.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "octile/layer.h"
#include "octile/linear.h"
#include "tests/kernels/run_layer.h"
#include "tests/reference/linear.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/shapes.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

void check_run(const Linear& linear, DataType in, std::span<const float> x_values, DataType out, const Way& way,
               std::int64_t m, std::span<const float> expected) {
    CHECK(first_difference(run_layer(linear, in, x_values, m, out, way), expected) == "");
}

std::vector<float> make_bias(Random& random, std::int64_t n) {
    std::vector<float> bias;
    for (std::int64_t i = 0; i < n; i++)
        bias.push_back(random.normal() * 4);
    return bias;
}

struct Coverage {
    int combinations = 4;    // of types, activation and bias, drawn at random
    bool every_way = false;  // instead of one way, drawn at random
};

std::vector<Way> all_ways() {
    std::vector<Way> ways;
    for (const std::int64_t padding : {0, 5}) {
        for (const Threading threading : {Threading::kOne, Threading::kFour, Threading::kCallers})
            ways.push_back({.x_padding = padding, .y_padding = 2 * padding, .threading = threading});
    }
    return ways;
}

// One shape on all levels.
void check_shape(const Shape& shape, Fill x_fill, Fill w_fill, const Coverage& coverage = {}) {
    const auto [m, k, n] = shape;
    std::ostringstream key;
    key << "int8 " << shape << " x " << name_of(x_fill) << " w " << name_of(w_fill);
    Random random(key.str());
    INFO(random);
    const auto M = static_cast<std::size_t>(m), K = static_cast<std::size_t>(k), N = static_cast<std::size_t>(n);
    const std::vector<float> w_values = make_values(random, n, k, w_fill), x_values = make_values(random, m, k, x_fill);
    const std::vector<float> bias = make_bias(random, n);
    const TypedMatrix w(DataType::kF32, n, k, w_values, random.below(3));
    const reference::QuantizedRows w_quantized = reference::quantize_weights(w_values, N, K);
    REQUIRE_FALSE(w_quantized.non_finite_row);
    for (int i = 0; i < coverage.combinations; i++) {
        const Combination how = draw_combination(random);
        const std::span<const float> b = how.biased ? std::span<const float>(bias) : std::span<const float>();
        const std::vector<float> expected = reference::linear_s8(
            reference::quantize_rows(rounded_to(how.in, m, k, x_values), M, K), w_quantized, b, how.activation);
        for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
            const Linear linear = must(Linear::pack(w.view(), b, {.activation = how.activation}, level.isas));
            for (const Way& way : coverage.every_way ? all_ways() : std::vector<Way>{random_way(random)}) {
                INFO(linear.kernel_name(m) << ", " << how << ", " << way);
                check_run(linear, how.in, x_values, how.out, way, m, expected);
            }
        }
    }
}

TEST_CASE("int8 linear: every M around the tiles") {
    for (const Shape& shape : row_sweep(KernelFamily::kGemmS8))
        check_shape(shape, Fill::kNormal, Fill::kNormal);
}

TEST_CASE("int8 linear: every N around the tiles") {
    for (const Shape& shape : column_sweep(KernelFamily::kGemmS8))
        check_shape(shape, Fill::kNormal, Fill::kNormal);
}

TEST_CASE("int8 linear: every K around the blocks") {
    for (const Shape& shape : reduction_sweep(128))
        check_shape(shape, Fill::kNormal, Fill::kNormal);
}

TEST_CASE("int8 linear: powers of two and their neighbours") {
    for (const Shape& shape : powers_of_two())
        check_shape(shape, Fill::kNormal, Fill::kNormal);
}

TEST_CASE("int8 linear: extreme shapes") {
    for (const Shape& shape : extreme_shapes(KernelFamily::kGemmS8))
        check_shape(shape, Fill::kNormal, Fill::kNormal, {.combinations = 2});
}

TEST_CASE("int8 linear: extreme values, each against each") {
    for (const Fill x : kFills) {
        for (const Fill w : kFills)
            check_shape({11, 37, 15}, x, w);
    }
}

TEST_CASE("int8 linear: every way to run one ragged shape, with every activation and type") {
    check_shape({19, 67, 35}, Fill::kNormal, Fill::kNormal, {.combinations = 40, .every_way = true});
}

TEST_CASE("int8 linear: the longest sum allowed, with the largest products") {
    const Shape shape{2, kMaxReduction, 2};
    check_shape(shape, Fill::kLowest, Fill::kHighest, {.combinations = 1});
    check_shape(shape, Fill::kHighest, Fill::kHighest, {.combinations = 1});
}

TEST_CASE("int8 linear: scales whose product overflows give the infinities and NaN of the page") {
    Random random("int8 overflow");
    INFO(random);
    const std::int64_t m = 13, k = 18, n = 37;
    std::vector<float> x = make_values(random, m, k, Fill::kNormal),
                       w_values = make_values(random, n, k, Fill::kNormal);
    // Odd rows and channels have nothing in even columns, even ones nothing in odd columns: half of the sums are zero,
    // and zero times infinity is a NaN.
    for (std::vector<float>* matrix : {&x, &w_values}) {
        for (std::size_t i = 0; i < matrix->size(); i++) {
            const std::size_t row = i / static_cast<std::size_t>(k), column = i % static_cast<std::size_t>(k);
            (*matrix)[i] *= row % 2 == column % 2 ? 0x1p+125f : 0.0f;
        }
    }
    const TypedMatrix w(DataType::kF32, n, k, w_values);
    for (const Activation activation : kActivations) {
        const std::vector<float> expected = reference::linear_s8(x, w_values, {}, 13, 18, 37, activation);
        if (activation == Activation::kNone) {
            REQUIRE(std::isnan(expected[1]));
            REQUIRE(std::isinf(expected[0]));
        }
        for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
            const Linear linear = must(Linear::pack(w.view(), {}, {.activation = activation}, level.isas));
            for (const DataType out : kActivationTypes) {
                for (const std::int64_t rows : {std::int64_t{1}, m}) {
                    INFO(linear.kernel_name(rows) << ' ' << name_of(activation) << ' ' << name_of(out));
                    check_run(linear, DataType::kF32, std::span(x).first(static_cast<std::size_t>(rows * k)), out, {},
                              rows, std::span(expected).first(static_cast<std::size_t>(rows * n)));
                }
            }
        }
    }
}

TEST_CASE("int8 linear: weights of every type, strided") {
    Random random("int8 weight types");
    INFO(random);
    const std::int64_t m = 7, k = 45, n = 29;
    const std::vector<float> x = make_values(random, m, k, Fill::kNormal),
                             w_values = make_values(random, n, k, Fill::kNormal);
    for (const DataType type : kWeightTypes) {
        for (const std::int64_t padding : {0, 3}) {
            const TypedMatrix w(type, n, k, w_values, padding);
            const std::vector<float> expected = reference::linear_s8(x, w.values(), {}, 7, 45, 29, Activation::kSilu);
            for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
                INFO(name_of(type) << ", padding " << padding << ", " << name_of(level.isa));
                const Linear linear = must(Linear::pack(w.view(), {}, {.activation = Activation::kSilu}, level.isas));
                check_run(linear, DataType::kF32, x, DataType::kF32, {}, m, expected);
            }
        }
    }
}

TEST_CASE("int8 linear: the caller may free the weights and the bias, and move the layer") {
    Random random("int8 ownership");
    const std::vector<float> x = make_values(random, 3, 20, Fill::kNormal),
                             w_values = make_values(random, 9, 20, Fill::kNormal);
    const std::vector<float> bias_values = make_bias(random, 9);
    std::optional<TypedMatrix> w(std::in_place, DataType::kF32, 9, 20, w_values);
    std::optional<std::vector<float>> bias = bias_values;
    Result<Linear> packed = Linear::pack(w->view(), *bias, {}, supported_isas());
    REQUIRE(packed.ok());
    std::fill(bias->begin(), bias->end(), 1e30f);
    bias.reset();
    w.reset();
    const Linear linear = std::move(packed).value();
    check_run(linear, DataType::kF32, x, DataType::kF32, {}, 3,
              reference::linear_s8(x, w_values, bias_values, 3, 20, 9, Activation::kNone));
}

// Not part of the default set: about a hundred times as long.
TEST_CASE("int8 linear: every combination of small sides", "[.][exhaustive]") {
    for (std::int64_t m = 1; m <= 26; m++) {
        for (const std::int64_t k : with_edges({1, 2, 3, 5, 7, 9, 11, 13}, {8, 16, 32, 64, 128})) {
            for (const std::int64_t n :
                 with_edges({1, 2, 3, 5, 7}, tiles_of(KernelFamily::kGemmS8, &KernelInfo::tile_n))) {
                check_shape({m, k, n}, Fill::kNormal, Fill::kNormal, {.combinations = 1});
            }
        }
    }
}

TEST_CASE("int8 linear: every way to run every extreme shape", "[.][exhaustive]") {
    for (const Shape& shape : extreme_shapes(KernelFamily::kGemmS8)) {
        for (const Fill fill : kFills)
            check_shape(shape, fill, Fill::kNormal, {.combinations = 4, .every_way = true});
    }
}

TEST_CASE("int8 linear: layers of real networks", "[.][exhaustive]") {
    for (const Shape& shape :
         {Shape{197, 768, 3072}, {128, 384, 1536}, {1, 2048, 6144}, {128, 1536, 384}, {256, 144, 288}}) {
        check_shape(shape, Fill::kNormal, Fill::kNormal);
    }
}

}  // namespace
}  // namespace octile::test
