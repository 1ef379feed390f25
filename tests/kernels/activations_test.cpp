// Activations as the packing kernels write them, called through the table: every element and scale, and the padding.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "runtime/halide_call.h"
#include "runtime/parallel.h"
#include "tests/kernels/panel.h"
#include "tests/reference/quantize.h"
#include "tests/support/levels.h"
#include "tests/support/matrices.h"
#include "tests/support/seed.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

struct QuantizedActivations {
    Panel panel;
    GuardedVector<float> scale;
};

QuantizedActivations quantize(const Kernel& kernel, const TypedMatrix& x) {
    install_parallel_for();
    const KernelInfo& info = kernel.info;
    QuantizedActivations result{.panel = Panel(info.panel, info.tile_m, info.k_block, x.rows(), x.columns()),
                                .scale = GuardedVector<float>(round_up(x.rows(), info.tile_m), -1)};
    GuardedVector<std::int32_t> magnitudes(round_up(x.rows(), info.tile_m), -1);
    HalideBuffer source = matrix_buffer(x.view()), packed = result.panel.buffer(), scale = result.scale.buffer(),
                 magnitude = magnitudes.buffer();
    const Status status = call_kernel(kernel, {&source, &packed, &scale, &magnitude});
    INFO(status.message());
    REQUIRE(status.ok());
    return result;
}

void check_quantized(const Kernel& kernel, const TypedMatrix& x) {
    const QuantizedActivations actual = quantize(kernel, x);
    const auto M = static_cast<std::size_t>(x.rows()), K = static_cast<std::size_t>(x.columns());
    const reference::QuantizedRows expected = reference::quantize_rows(x.values(), M, K);
    REQUIRE_FALSE(expected.non_finite_row);
    int wrong_elements = 0, wrong_scales = 0;
    for (std::int64_t m = 0; m < actual.panel.rows(); m++) {
        const std::int64_t source = std::min(m, x.rows() - 1);  // the last row is repeated
        for (std::int64_t k = 0; k < actual.panel.k(); k++) {
            const int q = k < x.columns() ? expected.values[static_cast<std::size_t>(source * x.columns() + k)] : 0;
            wrong_elements += actual.panel.at(m, k) != static_cast<float>(q);
        }
        wrong_scales += actual.scale.at(m) != expected.scales[static_cast<std::size_t>(source)];
    }
    CHECK(wrong_elements == 0);
    CHECK(wrong_scales == 0);
}

TEST_CASE("activations quantize bit-exactly, whatever their type, shape, stride and values") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeRows)) {
        for (const Fill fill : kFills) {
            for (const std::int64_t m : {1, 2, 9, 25}) {
                for (const std::int64_t k : {1, 7, 16, 31, 64, 129}) {
                    std::ostringstream key;
                    key << "activations " << name_of(fill) << ' ' << m << ' ' << k;
                    Random random(key.str());
                    const TypedMatrix x(kernel->info.input, m, k, make_values(random, m, k, fill), random.below(2) * 3);
                    INFO(kernel->info.name << ", " << random);
                    check_quantized(*kernel, x);
                }
            }
        }
    }
}

TEST_CASE("activations quantize bit-exactly at every magnitude of f32") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeRows)) {
        if (kernel->info.input != DataType::kF32) continue;
        const std::int64_t m = 255, k = 33;
        Random random("activations of every magnitude");
        std::vector<float> values = make_values(random, m, k, Fill::kNormal);
        for (std::int64_t i = 0; i < m * k; i++) {
            float& value = values[static_cast<std::size_t>(i)];
            value = std::ldexp(value / 4, static_cast<int>(i / k) - 127);
        }
        INFO(kernel->info.name << ", " << random);
        check_quantized(*kernel, TypedMatrix(DataType::kF32, m, k, values));
    }
}

TEST_CASE("a row that cannot be quantized has a scale that says so, and spoils no other") {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeRows)) {
        for (const float bad : {infinity, -infinity, nan, -nan}) {
            for (const std::int64_t column : {0, 15, 16, 20}) {
                Random random("activations non-finite");
                TypedMatrix x(kernel->info.input, 5, 21, make_values(random, 5, 21, Fill::kNormal));
                const QuantizedActivations before = quantize(*kernel, x);
                x.set(2, column, bad);
                const QuantizedActivations spoilt = quantize(*kernel, x);
                INFO(kernel->info.name << ", " << bad << " in column " << column);
                for (std::int64_t m = 0; m < 5; m++) {
                    CHECK(std::isfinite(spoilt.scale.at(m)) == (m != 2));
                    if (m != 2) CHECK(spoilt.scale.at(m) == before.scale.at(m));
                }
            }
        }
    }
}

TEST_CASE("f16 activations are rounded once, to nearest, and padded with zeros") {
    install_parallel_for();
    const float infinity = std::numeric_limits<float>::infinity();
    for (const Kernel* kernel : kernels_of(KernelFamily::kPackRowsF16)) {
        const KernelInfo& info = kernel->info;
        for (const Fill fill : kFills) {
            for (const std::int64_t m : {1, 2, 9, 25}) {
                for (const std::int64_t k : {1, 15, 16, 33, 130}) {
                    std::ostringstream key;
                    key << "f16 activations " << name_of(fill) << ' ' << m << ' ' << k;
                    Random random(key.str());
                    TypedMatrix x(info.input, m, k, make_values(random, m, k, fill), random.below(2) * 3);
                    // 65519.996 is the last that rounds to a number.
                    for (const float value : {65519.996f, 65520.0f, -1e30f, infinity}) {
                        x.set(m - 1, static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(k))), value);
                    }
                    Panel panel(info.panel, info.tile_m, 1, m, k);
                    HalideBuffer source = matrix_buffer(x.view()), packed = panel.buffer();
                    INFO(info.name << ", " << random);
                    REQUIRE(call_kernel(*kernel, {&source, &packed}).ok());
                    int wrong = 0;
                    for (std::int64_t row = 0; row < panel.rows(); row++) {
                        for (std::int64_t at = 0; at < panel.k(); at++) {
                            const float value = at < k ? x.at(std::min(row, m - 1), at) : 0.0f;
                            wrong += panel.at(row, at) != decode(DataType::kF16, encode(DataType::kF16, value));
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
