// Layers that are packed from something else than one matrix of numbers, and rows that are packed for several layers:
// the bits of the ordinary way.
#include <catch2/catch.hpp>
#include <optional>
#include <sstream>
#include <vector>

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

constexpr Precision kPrecisions[] = {Precision::kInt8, Precision::kFp16, Precision::kInt4};

KernelFamily family_of(Precision precision) {
    return precision == Precision::kFp16 ? KernelFamily::kGemmF16 : KernelFamily::kGemmS8;
}

TEST_CASE("pack_quantized: the levels of a layer's weights give the layer") {
    for (const Shape& shape : {Shape{1, 1, 1}, {1, 40, 130}, {7, 33, 48}, {9, 131, 97}}) {
        const auto [m, k, n] = shape;
        std::ostringstream key;
        key << "pack_quantized " << shape;
        Random random(key.str());
        INFO(random);
        const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
        const std::vector<float> bias = make_values(random, 1, n, Fill::kNormal),
                                 x = make_values(random, m, k, Fill::kNormal);
        const reference::QuantizedRows quantized =
            reference::quantize_weights(w.values(), static_cast<std::size_t>(n), static_cast<std::size_t>(k));
        const TypedMatrix levels(DataType::kI8, n, k,
                                 std::vector<float>(quantized.values.begin(), quantized.values.end()),
                                 random.below(2) * 3);
        for (const InputScaling scaling : {InputScaling::kDynamic, InputScaling::kStatic, InputScaling::kAsymmetric}) {
            const LinearOptions options{
                .activation = Activation::kSilu, .input_scaling = scaling, .input_scale = 0.02f};
            for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
                const Linear plain = must(Linear::pack(w.view(), bias, options, level.isas));
                const Linear packed =
                    must(Linear::pack_quantized(levels.view(), quantized.scales, bias, options, level.isas));
                INFO(plain.kernel_name(m));
                CHECK(packed.bytes() == plain.bytes());
                const TypedMatrix y = run_layer(plain, DataType::kF32, x, m, DataType::kF32);
                CHECK(first_difference(run_layer(packed, DataType::kF32, x, m, DataType::kF32), y.values()) == "");
            }
        }
    }
}

TEST_CASE("pack_quantized: levels down to -128, which packing never gives") {
    Random random("pack_quantized levels");
    const std::int64_t m = 5, k = 67, n = 29;
    std::vector<float> values;
    for (std::int64_t i = 0; i < n * k; i++)
        values.push_back(i % 7 ? static_cast<float>(random.below(256)) - 128 : -128);
    const std::vector<float> x = make_values(random, m, k, Fill::kNormal);
    reference::QuantizedRows w{
        .rows = 29, .k = 67, .values = {values.begin(), values.end()}, .scales = {}, .non_finite_row = {}};
    for (std::int64_t i = 0; i < n; i++)
        w.scales.push_back(0.01f + static_cast<float>(random.below(100)) * 1e-4f);
    const std::vector<float> expected =
        reference::linear_s8(reference::quantize_rows(x, 5, 67), w, {}, Activation::kNone);
    const TypedMatrix levels(DataType::kI8, n, k, values);
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        const Linear linear = must(Linear::pack_quantized(levels.view(), w.scales, {}, {}, level.isas));
        INFO(linear.kernel_name(m));
        CHECK(first_difference(run_layer(linear, DataType::kF32, x, m, DataType::kF32), expected) == "");
    }
}

TEST_CASE("pack_gated: the activated gate times the other matrix, at every M") {
    for (const Precision precision : kPrecisions) {
        for (std::int64_t m = 1; m <= 17; m++) {
            const std::int64_t k = 45, n = m % 3 ? 61 : 130;
            std::ostringstream key;
            key << "gated " << m;
            Random random(key.str());
            INFO(random << ", " << octile::name_of(precision));
            const TypedMatrix gate(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal)),
                up(DataType::kBF16, n, k, make_values(random, n, k, Fill::kNormal), 2);
            const std::vector<float> gate_bias = make_values(random, 1, n, Fill::kNormal),
                                     up_bias = make_values(random, 1, n, Fill::kNormal),
                                     x = make_values(random, m, k, Fill::kNormal);
            const Combination how = draw_combination(random);
            const std::span<const float> b = how.biased ? std::span<const float>(up_bias) : std::span<const float>();
            for (const Level& level : levels_with(family_of(precision))) {
                const Linear linear =
                    must(Linear::pack_gated(gate.view(), gate_bias, up.view(), b,
                                            {.precision = precision, .activation = how.activation}, level.isas));
                CHECK(linear.gated());
                CHECK(linear.n() == n);
                // The two layers it stands for.
                const Linear gate_alone =
                    must(Linear::pack(gate.view(), gate_bias, {.precision = precision}, level.isas));
                const Linear up_alone = must(Linear::pack(up.view(), b, {.precision = precision}, level.isas));
                CHECK_FALSE(up_alone.gated());
                const std::vector<float> g = run_layer(gate_alone, how.in, x, m, DataType::kF32).values(),
                                         u = run_layer(up_alone, how.in, x, m, DataType::kF32).values();
                std::vector<float> expected;
                for (std::size_t i = 0; i < g.size(); i++)
                    expected.push_back(reference::activate(how.activation, g[i]) * u[i]);
                INFO(linear.kernel_name(m) << ", " << how);
                const TypedMatrix y = run_layer(linear, how.in, x, m, how.out, random_way(random));
                CHECK(first_difference(y, expected) == "");
            }
        }
    }
}

TEST_CASE("pack_gated: a range bounds the gate") {
    Random random("gated range");
    const std::int64_t m = 6, k = 30, n = 50;
    const TypedMatrix gate(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal)),
        up(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
    const std::vector<float> x = make_values(random, m, k, Fill::kNormal);
    const Linear linear =
        must(Linear::pack_gated(gate.view(), {}, up.view(), {}, {.range = OutputRange{-1, 2}}, supported_isas()));
    const std::vector<float> g = reference::linear_s8(x, gate.values(), {}, 6, 30, 50, Activation::kNone),
                             u = reference::linear_s8(x, up.values(), {}, 6, 30, 50, Activation::kNone);
    std::vector<float> expected;
    for (std::size_t i = 0; i < g.size(); i++)
        expected.push_back(std::clamp(g[i], -1.0f, 2.0f) * u[i]);
    CHECK(first_difference(run_layer(linear, DataType::kF32, x, m, DataType::kF32), expected) == "");
}

TEST_CASE("rows packed once serve every layer that takes them, with the bits of a run of its own") {
    const std::int64_t k = 83;
    for (const Precision precision : kPrecisions) {
        for (const InputScaling scaling : {InputScaling::kDynamic, InputScaling::kStatic, InputScaling::kAsymmetric}) {
            if (precision == Precision::kFp16 && scaling != InputScaling::kDynamic) continue;
            for (const Level& level : levels_with(family_of(precision))) {
                Random random("shared rows");
                std::vector<Linear> layers;
                for (const std::int64_t n : {100, 17, 1}) {
                    const TypedMatrix w(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal));
                    const LinearOptions options{.precision = precision,
                                                .activation = n == 17 ? Activation::kGelu : Activation::kNone,
                                                .input_scaling = scaling,
                                                .input_scale = 0.02f};
                    layers.push_back(must(Linear::pack(w.view(), {}, options, level.isas)));
                }
                PackedRows rows;
                Workspace workspace;
                for (const std::int64_t m : {13, 1, 30, 0, 2}) {
                    for (const DataType in : kActivationTypes) {
                        INFO(layers[0].kernel_name(m) << ", " << name_of(in) << " in, M " << m);
                        const std::vector<float> x_values = make_values(random, m, k, Fill::kNormal);
                        const TypedMatrix x(in, m, k, x_values);
                        REQUIRE(layers[1].pack_rows(x.view(), rows).ok());
                        CHECK(rows.rows() == m);
                        CHECK(rows.columns() == k);
                        for (const Linear& layer : layers) {
                            CHECK(layer.accepts(rows));
                            TypedMatrix y(DataType::kF32, m, layer.n(), 2);
                            REQUIRE(layer.run(rows, y.mutable_view(), workspace).ok());
                            const TypedMatrix alone = run_layer(layer, in, x_values, m, DataType::kF32);
                            CHECK(first_difference(y, alone.values()) == "");
                            CHECK(y.surroundings_intact());
                        }
                    }
                }
                CHECK(rows.bytes() > 0);
            }
        }
    }
}

TEST_CASE("rows may be moved, and say what they are") {
    Random random("moved rows");
    const TypedMatrix w(DataType::kF32, 9, 20, make_values(random, 9, 20, Fill::kNormal)),
        x(DataType::kF32, 4, 20, make_values(random, 4, 20, Fill::kNormal));
    const Linear linear = must(Linear::pack(w.view(), {}, {}, supported_isas()));
    PackedRows rows;
    CHECK(rows.rows() == 0);
    CHECK_FALSE(linear.accepts(rows));
    REQUIRE(linear.pack_rows(x.view(), rows).ok());
    const PackedRows moved = std::move(rows);
    CHECK(moved.rows() == 4);
    TypedMatrix y(DataType::kF32, 4, 9);
    Workspace workspace;
    REQUIRE(linear.run(moved, y.mutable_view(), workspace).ok());
    CHECK(first_difference(y, reference::linear_s8(x.values(), w.values(), {}, 4, 20, 9, Activation::kNone)) == "");
}

}  // namespace
}  // namespace octile::test
