// Weights as the packing kernels write them, called through the table: every element, scale and sum, and the
// padding.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "runtime/halide_call.h"
#include "tests/kernels/panel.h"
#include "tests/reference/quantize.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/shapes.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

struct QuantizedWeights {
    Panel panel;
    GuardedVector<float> scale;
    GuardedVector<std::int32_t> sum;
};

QuantizedWeights quantize(const Kernel& kernel, const TypedMatrix& w) {
    const KernelInfo& info = kernel.info;
    const std::int64_t rows = round_up(w.rows(), info.panel_n);
    QuantizedWeights result{.panel = Panel(info.panel, info.panel_n, info.k_block, w.rows(), w.columns()),
                            .scale = GuardedVector<float>(rows, -1),
                            .sum = GuardedVector<std::int32_t>(rows, 1)};
    GuardedVector<std::int32_t> magnitudes(rows, -1);
    HalideBuffer x = matrix_buffer(w.view()), packed = result.panel.buffer(), scale = result.scale.buffer(),
                 magnitude = magnitudes.buffer(), sum = result.sum.buffer(info.panel_n);
    const Status status = info.scaling == Scaling::kReady ? call_kernel(kernel, {x, packed, sum})
                                                          : call_kernel(kernel, {x, packed, scale, magnitude, sum});
    INFO(status.message());
    REQUIRE(status.ok());
    return result;
}

// [n, k] of levels from -128 to 127 where the kernel takes levels, else the values.
TypedMatrix make_weights(const KernelInfo& info, Random& random, std::int64_t n, std::int64_t k,
                         std::vector<float> values, std::int64_t padding = 0) {
    if (info.input == DataType::kI8) {
        for (float& value : values)
            value = static_cast<float>(random.below(256)) - 128;
    }
    return {info.input, n, k, values, padding};
}

void check_quantized(const Kernel& kernel, const TypedMatrix& w) {
    const QuantizedWeights actual = quantize(kernel, w);
    const auto N = static_cast<std::size_t>(w.rows()), K = static_cast<std::size_t>(w.columns());
    const bool ready = kernel.info.scaling == Scaling::kReady;
    const std::vector<float> values = w.values();
    reference::QuantizedRows expected = reference::quantize_weights(values, N, K);
    if (ready) expected.values.assign(values.begin(), values.end());
    REQUIRE_FALSE(expected.non_finite_row);
    int wrong = 0;
    for (std::int64_t n = 0; n < w.rows(); n++) {
        std::int32_t sum = 0;
        for (std::int64_t k = 0; k < actual.panel.k(); k++) {
            const int q = k < w.columns() ? expected.values[static_cast<std::size_t>(n * w.columns() + k)] : 0;
            sum += q;
            wrong += actual.panel.at(n, k) != static_cast<float>(q);
        }
        INFO("channel " << n);
        CHECK(wrong == 0);
        if (!ready) CHECK(actual.scale.at(n) == expected.scales[static_cast<std::size_t>(n)]);
        CHECK(actual.sum.at(n) == sum);
    }
    // The runtime looks at no scale beyond the last channel, but a kernel computes with it.
    for (std::int64_t n = w.rows(); n < actual.panel.rows(); n++)
        CHECK(std::isfinite(actual.scale.at(n)));
}

TEST_CASE("weights quantize bit-exactly, whatever their type, shape, stride and values") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeWeights)) {
        for (const Fill fill : kFills) {
            for (const std::int64_t n : {1, 12, 33}) {
                for (const std::int64_t k : {1, 7, 16, 31, 64, 129}) {
                    std::ostringstream key;
                    key << "weights " << name_of(fill) << ' ' << n << ' ' << k;
                    Random random(key.str());
                    const TypedMatrix w =
                        make_weights(kernel->info, random, n, k, make_values(random, n, k, fill), random.below(2) * 3);
                    INFO(kernel->info.name << ", " << random);
                    check_quantized(*kernel, w);
                }
            }
        }
    }
}

// What division by the scale is for: a product with its reciprocal rounds a few of these differently.
TEST_CASE("weights are divided by their scale: ties and near ties of every level") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeWeights)) {
        if (kernel->info.input != DataType::kF32) continue;
        const std::int64_t n = 40, k = 2 * 254 * 3;
        std::vector<float> values(static_cast<std::size_t>(n * k));
        Random random("weights near ties");
        for (std::int64_t channel = 0; channel < n; channel++) {
            const float largest = (1.0f + static_cast<float>(random.below(1u << 23)) * 0x1p-23f) * 0x1p-6f;
            float* row = &values[static_cast<std::size_t>(channel * k)];
            for (int level = -127; level < 127; level++) {
                const float tie = (static_cast<float>(level) + 0.5f) * (largest / 127.0f);
                for (const float toward : {-1.0f, 0.0f, 1.0f}) {
                    *row = toward == 0 ? tie : std::nextafter(tie, toward);
                    row[254 * 3] = std::nextafter(*row, toward);
                    row++;
                }
            }
            values[static_cast<std::size_t>(channel * k)] = largest;
        }
        INFO(kernel->info.name << ", " << random);
        check_quantized(*kernel, TypedMatrix(DataType::kF32, n, k, values));
    }
}

TEST_CASE("a channel that cannot be quantized has a scale that says so, and spoils no other") {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeWeights)) {
        if (kernel->info.scaling == Scaling::kReady) continue;
        for (const float bad : {infinity, -infinity, nan, -nan}) {
            Random random("weights non-finite");
            TypedMatrix w(kernel->info.input, 5, 21, make_values(random, 5, 21, Fill::kNormal));
            const float scale = quantize(*kernel, w).scale.at(3);
            w.set(2, 20, bad);
            const QuantizedWeights spoilt = quantize(*kernel, w);
            INFO(kernel->info.name << ", " << bad);
            for (std::int64_t n = 0; n < 5; n++)
                CHECK(std::isfinite(spoilt.scale.at(n)) == (n != 2));
            CHECK(spoilt.scale.at(3) == scale);
        }
    }
}

TEST_CASE("f16 weights are rounded once, to nearest, and padded with zeros") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kPackWeightsF16)) {
        const KernelInfo& info = kernel->info;
        for (const Fill fill : kFills) {
            for (const std::int64_t n : {1, 24, 35}) {
                for (const std::int64_t k : {1, 15, 16, 33, 130}) {
                    std::ostringstream key;
                    key << "f16 weights " << name_of(fill) << ' ' << n << ' ' << k;
                    Random random(key.str());
                    const TypedMatrix w(info.input, n, k, make_values(random, n, k, fill), random.below(2) * 3);
                    Panel panel(info.panel, info.panel_n, 1, n, k);
                    HalideBuffer x = matrix_buffer(w.view()), packed = panel.buffer();
                    INFO(info.name << ", " << random);
                    REQUIRE(call_kernel(*kernel, {x, packed}).ok());
                    int wrong = 0;
                    for (std::int64_t row = 0; row < n; row++) {
                        for (std::int64_t at = 0; at < panel.k(); at++) {
                            const float value = at < k ? w.at(row, at) : 0.0f;
                            wrong += encode(DataType::kF16, panel.at(row, at)) != encode(DataType::kF16, value);
                        }
                    }
                    CHECK(wrong == 0);
                }
            }
        }
    }
}

}  // namespace
}  // namespace octile::test
