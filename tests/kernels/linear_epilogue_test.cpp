// What follows the sum of a whole layer: residual, range and output types, in both precisions. The kernels by
// themselves are epilogue_test.cpp's.
#include <catch2/catch.hpp>
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

constexpr Shape kShapes[] = {{1, 40, 130}, {2, 17, 5}, {7, 33, 48}, {9, 20, 97}, {70, 16, 200}};

struct Layer {
    Layer(const Shape& shape, Random& random)
        : x(make_values(random, shape.m, shape.k, Fill::kNormal)),
          w(DataType::kF32, shape.n, shape.k, make_values(random, shape.n, shape.k, Fill::kNormal)),
          bias(make_values(random, 1, shape.n, Fill::kNormal)) {}

    std::vector<float> x;
    TypedMatrix w;
    std::vector<float> bias;
};

// z of a layer without anything behind the bias, by a run of its own: FP16 has no reference that gives bits.
std::vector<float> plain_result(const Layer& layer, Precision precision, const Shape& shape, IsaSet isas) {
    const Linear linear = must(Linear::pack(layer.w.view(), layer.bias, {.precision = precision}, isas));
    return run_layer(linear, DataType::kF32, layer.x, shape.m, DataType::kF32).values();
}

template <typename Visit>
void for_each_layer(const std::string& name, Visit visit) {
    for (const Shape& shape : kShapes) {
        std::ostringstream key;
        key << name << ' ' << shape;
        Random random(key.str());
        INFO(random);
        const Layer layer(shape, random);
        for (const auto& [precision, family] :
             {std::pair{Precision::kInt8, KernelFamily::kGemmS8}, {Precision::kFp16, KernelFamily::kGemmF16}}) {
            for (const Level& level : levels_with(family)) {
                INFO(name_of(precision) << ' ' << name_of(level.isa));
                visit(shape, layer, precision, level, random);
            }
        }
    }
}

TEST_CASE("linear: a residual is added after the activation, also over itself") {
    for_each_layer("residual", [](const Shape& shape, const Layer& layer, Precision precision, const Level& level,
                                  Random& random) {
        const std::vector<float> z = plain_result(layer, precision, shape, level.isas);
        const std::vector<float> residual_values = make_values(random, shape.m, shape.n, Fill::kNormal);
        const Activation activation = draw_combination(random).activation;
        const Linear linear = must(
            Linear::pack(layer.w.view(), layer.bias, {.precision = precision, .activation = activation}, level.isas));
        for (const DataType out : {DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kI8}) {
            const TypedMatrix residual(out == DataType::kI8 ? DataType::kF32 : out, shape.m, shape.n, residual_values,
                                       2);
            std::vector<float> expected = z;
            for (std::size_t i = 0; i < expected.size(); i++) {
                const auto at = static_cast<std::int64_t>(i);
                expected[i] = reference::activate(activation, z[i]) + residual.at(at / shape.n, at % shape.n);
                if (out == DataType::kI8) expected[i] = reference::output_level(expected[i], 0.05f);
            }
            INFO(name_of(activation) << ", " << name_of(out));
            const TypedMatrix y = run_layer(linear, DataType::kF32, layer.x, shape.m, out, random_way(random),
                                            {.residual = residual.view(), .output_scale = 0.05f});
            CHECK(first_difference(y, expected) == "");
            if (out == DataType::kI8) continue;
            TypedMatrix in_place(out, shape.m, shape.n, residual_values, 3);
            const TypedMatrix x(DataType::kF32, shape.m, shape.k, layer.x);
            Workspace workspace;
            REQUIRE(
                linear
                    .run(x.view(), in_place.mutable_view(), workspace, {.residual = in_place.view(), .output_scale = 0})
                    .ok());
            CHECK(first_difference(in_place, expected) == "");
            CHECK(in_place.surroundings_intact());
        }
    });
}

TEST_CASE("linear: a range bounds the output") {
    for_each_layer(
        "range", [](const Shape& shape, const Layer& layer, Precision precision, const Level& level, Random& random) {
            std::vector<float> expected = plain_result(layer, precision, shape, level.isas);
            for (float& value : expected)
                value = reference::clamp(value, -0.5f, 1.25f);
            const Linear linear = must(Linear::pack(
                layer.w.view(), layer.bias, {.precision = precision, .range = OutputRange{-0.5f, 1.25f}}, level.isas));
            for (const DataType out : kActivationTypes) {
                INFO(name_of(out));
                const TypedMatrix y = run_layer(linear, DataType::kF32, layer.x, shape.m, out, random_way(random));
                CHECK(first_difference(y, expected) == "");
            }
        });
}

TEST_CASE("linear: every output type holds the f32 result, rounded once") {
    for_each_layer(
        "output", [](const Shape& shape, const Layer& layer, Precision precision, const Level& level, Random& random) {
            const std::vector<float> z = plain_result(layer, precision, shape, level.isas);
            const Linear linear = must(Linear::pack(layer.w.view(), layer.bias, {.precision = precision}, level.isas));
            for (const DataType out : kActivationTypes) {
                INFO(name_of(out));
                CHECK(first_difference(run_layer(linear, DataType::kF32, layer.x, shape.m, out, random_way(random)),
                                       z) == "");
            }
            std::vector<float> levels;
            for (const float value : z)
                levels.push_back(reference::output_level(value, 0.04f));
            CHECK(first_difference(run_layer(linear, DataType::kF32, layer.x, shape.m, DataType::kI8,
                                             random_way(random), {.residual = {}, .output_scale = 0.04f}),
                                   levels) == "");
        });
}

}  // namespace
}  // namespace octile::test
