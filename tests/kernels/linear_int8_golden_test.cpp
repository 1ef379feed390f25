// A number for the bits of every configuration of the INT8 path, so that machines agree that never meet: a build for
// another CPU, compiler or library that gives another number computes something else than docs/quantization.md.
#include <catch2/catch.hpp>
#include <cstdint>
#include <sstream>
#include <string_view>
#include <vector>

#include "octile/linear.h"
#include "runtime/kernel_table.h"
#include "tests/kernels/run_layer.h"
#include "tests/reference/epilogue.h"
#include "tests/reference/hash.h"
#include "tests/reference/linear.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"
#include "tests/support/shapes.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

enum class Kind { kPlain, kLevels, kInt8Output, kResidual, kGated };

struct Configuration {
    std::string_view name;
    InputScaling scaling;
    Kind kind;
    // Changes only together with docs/quantization.md, and then CHANGELOG.md says so.
    std::uint64_t golden;
};

constexpr Configuration kConfigurations[] = {
    {"dynamic", InputScaling::kDynamic, Kind::kPlain, 0x456583771cbc45a1},
    {"static", InputScaling::kStatic, Kind::kPlain, 0x77f36ff4d4d0837d},
    {"asymmetric", InputScaling::kAsymmetric, Kind::kPlain, 0x2155bc32a26fb58c},
    {"levels as x", InputScaling::kStatic, Kind::kLevels, 0xde95580ca3067a26},
    {"int8 y", InputScaling::kDynamic, Kind::kInt8Output, 0xb9937c52f7aaf5b4},
    {"residual", InputScaling::kDynamic, Kind::kResidual, 0x18480d24271d93b5},
    {"gated", InputScaling::kDynamic, Kind::kGated, 0x34d5bd7e7956badb},
};

constexpr float kInputScale = 0.02f, kOutputScale = 0.05f;

// One layer and its x.
struct Layer {
    const Configuration& configuration;
    Shape shape;
    DataType in, out;
    Activation activation;
    TypedMatrix x, w, gate, residual;
    std::vector<float> bias;

    bool gated() const { return configuration.kind == Kind::kGated; }
    LinearOptions options() const {
        return {.activation = activation, .input_scaling = configuration.scaling, .input_scale = kInputScale};
    }
    RunOptions run_options() const {
        const bool added = configuration.kind == Kind::kResidual;
        return {.residual = added ? residual.view() : MatrixView{}, .output_scale = kOutputScale};
    }
};

// Every number of rows that a tile may have, and some beyond; written out, because they must not follow the tiles of an
// architecture.
std::vector<Shape> golden_shapes() {
    std::vector<Shape> shapes = {{1, 64, 48}, {13, 40, 65}, {17, 17, 17}, {50, 33, 20}, {35, 50, 210}};
    for (std::int64_t m = 1; m <= 12; m++)
        shapes.push_back({m, 3 + 11 * m, 100 - 7 * m});
    return shapes;
}

template <typename Visit>
void for_each_layer(const Configuration& configuration, Visit visit) {
    std::size_t count = 0;
    for (const Shape& shape : golden_shapes()) {
        for (const Fill fill : {Fill::kNormal, Fill::kOutlier, Fill::kTies, Fill::kDenormal}) {
            std::ostringstream key;
            key << "golden " << configuration.name << ' ' << shape << ' ' << name_of(fill);
            Random random(key.str());
            const auto [m, k, n] = shape;
            std::vector<float> x = make_values(random, m, k, fill);
            if (configuration.kind == Kind::kLevels) {
                for (float& value : x)
                    value = static_cast<float>(random.below(255)) - 127;
            }
            // Every activation with every pair of types, over the shapes.
            const Activation activation = kActivations[count % 8];
            const DataType in = kActivationTypes[count / 8 % 3], out = kActivationTypes[count / 3 % 3];
            count++;
            const DataType y = configuration.kind == Kind::kInt8Output ? DataType::kI8 : out;
            const Layer layer{
                .configuration = configuration,
                .shape = shape,
                .in = configuration.kind == Kind::kLevels ? DataType::kI8 : in,
                .out = y,
                .activation = activation,
                .x = TypedMatrix(configuration.kind == Kind::kLevels ? DataType::kI8 : in, m, k, x),
                .w = TypedMatrix(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal)),
                .gate = TypedMatrix(DataType::kF32, n, k, make_values(random, n, k, Fill::kNormal)),
                .residual = TypedMatrix(out, m, n, make_values(random, m, n, Fill::kNormal)),
                .bias = make_values(random, 1, n, Fill::kNormal),
            };
            visit(layer);
        }
    }
}

reference::QuantizedRows quantize(const Layer& layer) {
    const auto m = static_cast<std::size_t>(layer.shape.m), k = static_cast<std::size_t>(layer.shape.k);
    const std::vector<float> x = layer.x.values();
    if (layer.configuration.kind == Kind::kLevels) {
        reference::QuantizedRows levels = reference::quantize_rows_static(x, m, k, 1);
        levels.scales.assign(m, kInputScale);
        return levels;
    }
    switch (layer.configuration.scaling) {
        case InputScaling::kDynamic:
            return reference::quantize_rows(x, m, k);
        case InputScaling::kStatic:
            return reference::quantize_rows_static(x, m, k, kInputScale);
        case InputScaling::kAsymmetric:
            break;
    }
    return reference::quantize_rows_asymmetric(x, m, k);
}

TypedMatrix run_reference(const Layer& layer) {
    const auto [m, k, n] = layer.shape;
    const reference::QuantizedRows x = quantize(layer);
    const auto multiply = [&](const TypedMatrix& w, Activation activation) {
        const reference::QuantizedRows quantized =
            reference::quantize_weights(w.values(), static_cast<std::size_t>(n), static_cast<std::size_t>(k));
        return reference::linear_s8(x, quantized, layer.bias, activation);
    };
    std::vector<float> y = multiply(layer.w, layer.gated() ? Activation::kNone : layer.activation);
    if (layer.gated()) {
        const std::vector<float> gate = multiply(layer.gate, layer.activation);
        for (std::size_t i = 0; i < y.size(); i++)
            y[i] = gate[i] * y[i];
    }
    for (std::size_t i = 0; i < y.size(); i++) {
        const auto at = static_cast<std::int64_t>(i);
        if (layer.configuration.kind == Kind::kResidual) y[i] = y[i] + layer.residual.at(at / n, at % n);
        if (layer.configuration.kind == Kind::kInt8Output) y[i] = reference::output_level(y[i], kOutputScale);
    }
    return {layer.out, m, n, y};
}

TypedMatrix run_linear(const Layer& layer, IsaSet isas) {
    const Linear linear = must(layer.gated() ? Linear::pack_gated(layer.gate.view(), layer.bias, layer.w.view(),
                                                                  layer.bias, layer.options(), isas)
                                             : Linear::pack(layer.w.view(), layer.bias, layer.options(), isas));
    TypedMatrix y(layer.out, layer.shape.m, layer.shape.n);
    Workspace workspace;
    REQUIRE(linear.run(layer.x.view(), y.mutable_view(), workspace, layer.run_options()).ok());
    return y;
}

template <typename Run>
std::uint64_t hash_of(const Configuration& configuration, Run run) {
    reference::Hash hash;
    for_each_layer(configuration, [&](const Layer& layer) {
        for (const float value : run(layer).values())
            hash.add(value);
    });
    return hash.value();
}

TEST_CASE("int8 linear: the golden bits, from the reference") {
    for (const Configuration& configuration : kConfigurations) {
        const std::uint64_t hash = hash_of(configuration, run_reference);
        INFO(configuration.name << std::hex << ": 0x" << hash << " against 0x" << configuration.golden);
        CHECK(hash == configuration.golden);
    }
}

TEST_CASE("int8 linear: the golden bits, by every schedule of the archive") {
    for (const std::string_view schedule : built_schedules()) {
        const EnvironmentVariable core("OCTILE_CORE", std::string(schedule));
        for (const Configuration& configuration : kConfigurations) {
            const IsaSet isas = supported_isas();
            const std::uint64_t hash =
                hash_of(configuration, [&](const Layer& layer) { return run_linear(layer, isas); });
            INFO(schedule << ", " << configuration.name << std::hex << ": 0x" << hash << " against 0x"
                          << configuration.golden);
            CHECK(hash == configuration.golden);
        }
    }
}

TEST_CASE("int8 linear: the golden bits, on every level") {
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        for (const Configuration& configuration : kConfigurations) {
            const std::uint64_t hash =
                hash_of(configuration, [&](const Layer& layer) { return run_linear(layer, level.isas); });
            INFO(name_of(level.isa) << ", " << configuration.name << std::hex << ": 0x" << hash << " against 0x"
                                    << configuration.golden);
            CHECK(hash == configuration.golden);
        }
    }
}

}  // namespace
}  // namespace octile::test
