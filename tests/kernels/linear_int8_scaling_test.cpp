// The ways other than dynamic in which INT8 layers get the levels of x, and the int8 results that they are chained by:
// the bits of the reference on every level.
#include <catch2/catch.hpp>
#include <cmath>
#include <sstream>
#include <vector>

#include "octile/linear.h"
#include "tests/kernels/run_layer.h"
#include "tests/reference/epilogue.h"
#include "tests/reference/linear.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/shapes.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

// Ordinary values of x stay within 127 of it, but for some.
constexpr float kInputScale = 2.5f / 127;

std::vector<Shape> some_shapes() {
    std::vector<Shape> shapes = {{1, 1, 1}, {1, 37, 130}, {5, 131, 33}, {64, 20, 100}};
    for (const Shape& shape : row_sweep(KernelFamily::kGemmS8))
        shapes.push_back(shape);
    return shapes;
}

reference::QuantizedRows quantize(InputScaling scaling, std::span<const float> x, const Shape& shape) {
    const auto m = static_cast<std::size_t>(shape.m), k = static_cast<std::size_t>(shape.k);
    if (scaling == InputScaling::kStatic) return reference::quantize_rows_static(x, m, k, kInputScale);
    return reference::quantize_rows_asymmetric(x, m, k);
}

void check_shape(InputScaling scaling, const Shape& shape, Fill fill) {
    const auto [m, k, n] = shape;
    std::ostringstream key;
    key << "int8 scaling " << shape << ' ' << name_of(fill);
    Random random(key.str());
    INFO(random);
    const std::vector<float> x = make_values(random, m, k, fill);
    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
    const std::vector<float> bias = make_values(random, 1, n, Fill::kNormal);
    const reference::QuantizedRows quantized_w =
        reference::quantize_weights(w.values(), static_cast<std::size_t>(n), static_cast<std::size_t>(k));
    for (int i = 0; i < 2; i++) {
        const Combination how = draw_combination(random);
        const std::span<const float> b = how.biased ? std::span<const float>(bias) : std::span<const float>();
        const std::vector<float> expected =
            reference::linear_s8(quantize(scaling, rounded_to(how.in, m, k, x), shape), quantized_w, b, how.activation);
        for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
            const Linear linear = must(Linear::pack(
                w.view(), b, {.activation = how.activation, .input_scaling = scaling, .input_scale = kInputScale},
                level.isas));
            const Way way = random_way(random);
            INFO(linear.kernel_name(m) << ", " << how << ", " << way);
            CHECK(first_difference(run_layer(linear, how.in, x, m, how.out, way), expected) == "");
        }
    }
}

TEST_CASE("int8 linear, static scale: every M and some shapes") {
    for (const Shape& shape : some_shapes())
        check_shape(InputScaling::kStatic, shape, Fill::kNormal);
}

TEST_CASE("int8 linear, asymmetric: every M and some shapes") {
    for (const Shape& shape : some_shapes())
        check_shape(InputScaling::kAsymmetric, shape, Fill::kNormal);
}

TEST_CASE("int8 linear, static scale and asymmetric: extreme values") {
    for (const Fill fill : kFills) {
        for (const InputScaling scaling : {InputScaling::kStatic, InputScaling::kAsymmetric})
            check_shape(scaling, {11, 37, 15}, fill);
    }
}

TEST_CASE("int8 linear, asymmetric: the activations of a ReLU use all levels, and lose less") {
    Random random("asymmetric error");
    const std::int64_t m = 9, k = 256, n = 40;
    std::vector<float> x = make_values(random, m, k, Fill::kNormal);
    for (float& value : x)
        value = std::max(value, 0.0f);
    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
    const std::vector<reference::ExactOutput> exact = reference::linear_exact(x, w.values(), {}, 9, 256, 40);
    const auto error = [&](InputScaling scaling) {
        const Linear linear = must(Linear::pack(w.view(), {}, {.input_scaling = scaling}, supported_isas()));
        const std::vector<float> y = run_layer(linear, DataType::kF32, x, m, DataType::kF32).values();
        double sum = 0;
        for (std::size_t i = 0; i < y.size(); i++)
            sum += std::pow(static_cast<double>(y[i]) - exact[i].value, 2);
        return sum;
    };
    CHECK(error(InputScaling::kAsymmetric) < error(InputScaling::kDynamic));
}

TEST_CASE("int8 linear, asymmetric: the longest sum allowed, with the largest products") {
    const std::int64_t k = 65536;
    std::vector<float> x(static_cast<std::size_t>(2 * k), 1.5f), w_values(static_cast<std::size_t>(k), 1.5f);
    for (std::size_t i = 0; i < static_cast<std::size_t>(k); i++)
        x[i] = -1.5f;
    const TypedMatrix w(DataType::kF32, 1, k, w_values);
    const std::vector<float> expected = reference::linear_s8(
        reference::quantize_rows_asymmetric(x, 2, static_cast<std::size_t>(k)),
        reference::quantize_weights(w_values, 1, static_cast<std::size_t>(k)), {}, Activation::kNone);
    CHECK(expected[0] == Approx(-1.5 * 1.5 * 65536));
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        const Linear linear =
            must(Linear::pack(w.view(), {}, {.input_scaling = InputScaling::kAsymmetric}, level.isas));
        INFO(linear.kernel_name(2));
        CHECK(first_difference(run_layer(linear, DataType::kF32, x, 2, DataType::kF32), expected) == "");
    }
}

TEST_CASE("int8 linear: x of levels is multiplied as it is") {
    for (const Shape& shape : some_shapes()) {
        const auto [m, k, n] = shape;
        std::ostringstream key;
        key << "int8 levels " << shape;
        Random random(key.str());
        INFO(random);
        std::vector<float> levels;
        for (std::int64_t i = 0; i < m * k; i++)
            levels.push_back(static_cast<float>(random.below(256)) - 128);
        const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
        reference::QuantizedRows x{.rows = static_cast<std::size_t>(m),
                                   .k = static_cast<std::size_t>(k),
                                   .values = {levels.begin(), levels.end()},
                                   .scales = std::vector<float>(static_cast<std::size_t>(m), kInputScale),
                                   .non_finite_row = {}};
        const std::vector<float> expected = reference::linear_s8(
            x, reference::quantize_weights(w.values(), static_cast<std::size_t>(n), static_cast<std::size_t>(k)), {},
            Activation::kNone);
        for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
            const Linear linear = must(Linear::pack(
                w.view(), {}, {.input_scaling = InputScaling::kStatic, .input_scale = kInputScale}, level.isas));
            INFO(linear.kernel_name(m));
            const Way way = random_way(random);
            CHECK(first_difference(run_layer(linear, DataType::kI8, levels, m, DataType::kF32, way), expected) == "");
        }
    }
}

TEST_CASE("int8 linear: x of levels and weights of levels, all of them -128") {
    const float w_scale = 0.03f;
    for (const Shape& shape : some_shapes()) {
        const auto [m, k, n] = shape;
        const std::vector<float> levels(static_cast<std::size_t>(m * k), -128);
        const TypedMatrix w(DataType::kI8, n, k, std::vector<float>(static_cast<std::size_t>(n * k), -128));
        const std::vector<float> scales(static_cast<std::size_t>(n), w_scale),
            // The sum is exact in f32.
            expected(static_cast<std::size_t>(m * n), static_cast<float>(k * 128 * 128) * (kInputScale * w_scale));
        for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
            const Linear linear = must(Linear::pack_quantized(
                w.view(), scales, {}, {.input_scaling = InputScaling::kStatic, .input_scale = kInputScale},
                level.isas));
            INFO(linear.kernel_name(m) << ", " << shape);
            CHECK(first_difference(run_layer(linear, DataType::kI8, levels, m, DataType::kF32), expected) == "");
        }
    }
}

TEST_CASE("int8 linear: an int8 result is the next layer's x") {
    const std::int64_t k = 70, hidden = 130, n = 33;
    const float hidden_scale = 0.11f;
    Random random("int8 chain");
    INFO(random);
    const TypedMatrix w1(DataType::kF32, hidden, k, make_values(random, hidden, k, Fill::kNormal)),
        w2(DataType::kF32, n, hidden, make_values(random, n, hidden, Fill::kNormal));
    const reference::QuantizedRows quantized_w2 = reference::quantize_weights(w2.values(), 33, 130);
    for (const std::int64_t m : {1, 7, 40}) {
        const std::vector<float> x = make_values(random, m, k, Fill::kNormal);
        const std::vector<float> middle =
            reference::linear_s8(x, w1.values(), {}, static_cast<std::size_t>(m), 70, 130, Activation::kGeluTanh);
        std::vector<float> levels;
        for (const float value : middle)
            levels.push_back(reference::output_level(value, hidden_scale));
        const std::vector<float> expected = reference::linear_s8(
            reference::quantize_rows_static(middle, static_cast<std::size_t>(m), 130, hidden_scale), quantized_w2, {},
            Activation::kNone);
        for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
            const Linear first = must(Linear::pack(w1.view(), {}, {.activation = Activation::kGeluTanh}, level.isas));
            const Linear second = must(Linear::pack(
                w2.view(), {}, {.input_scaling = InputScaling::kStatic, .input_scale = hidden_scale}, level.isas));
            INFO(first.kernel_name(m));
            const TypedMatrix between = run_layer(first, DataType::kF32, x, m, DataType::kI8, random_way(random),
                                                  {.output_scale = hidden_scale});
            CHECK(first_difference(between, levels) == "");
            const TypedMatrix y =
                run_layer(second, DataType::kI8, between.values(), m, DataType::kF32, random_way(random));
            CHECK(first_difference(y, expected) == "");
        }
    }
}

}  // namespace
}  // namespace octile::test
