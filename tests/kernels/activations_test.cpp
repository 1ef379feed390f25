// Activations as the packing kernels write them, called through the table: every element, scale and zero point, and the
// padding.
#include <bit>
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
#include "tests/support/typed_matrix.h"

namespace octile::test {
namespace {

struct QuantizedActivations {
    Panel panel;
    // Of each row; what the kernel's scaling does not have stays -1.
    GuardedVector<float> scale, low, high;
    GuardedVector<std::int32_t> magnitude, zero_point;
};

QuantizedActivations quantize(const Kernel& kernel, const TypedMatrix& x, float input_scale) {
    const KernelInfo& info = kernel.info;
    const std::int64_t rows = is_for_single_row(info) ? 1 : round_up(x.rows(), info.panel_m);
    QuantizedActivations result{.panel = Panel(info.panel, info.panel_m, info.k_block, x.rows(), x.columns()),
                                .scale = GuardedVector<float>(rows, -1),
                                .low = GuardedVector<float>(rows, -1),
                                .high = GuardedVector<float>(rows, -1),
                                .magnitude = GuardedVector<std::int32_t>(rows, -1),
                                .zero_point = GuardedVector<std::int32_t>(rows, -1)};
    HalideBuffer source = matrix_buffer(x.view()), packed = result.panel.buffer(), scale = result.scale.buffer(),
                 magnitude = result.magnitude.buffer(), low = result.low.buffer(), high = result.high.buffer(),
                 zero_point = result.zero_point.buffer();
    Status status;
    switch (info.scaling) {
        case Scaling::kDynamic:
            status = call_kernel(kernel, {source, packed, scale, magnitude});
            break;
        case Scaling::kStatic:
            status = call_kernel(kernel, {source, input_scale, packed, magnitude});
            break;
        case Scaling::kAsymmetric:
            status = call_kernel(kernel, {source, packed, scale, magnitude, low, high, zero_point});
            break;
        case Scaling::kReady:
            status = call_kernel(kernel, {source, packed});
            break;
    }
    INFO(status.message());
    REQUIRE(status.ok());
    return result;
}

reference::QuantizedRows expected_of(Scaling scaling, const TypedMatrix& x, float input_scale) {
    const auto M = static_cast<std::size_t>(x.rows()), K = static_cast<std::size_t>(x.columns());
    const std::vector<float> values = x.values();
    switch (scaling) {
        case Scaling::kDynamic:
            return reference::quantize_rows(values, M, K);
        case Scaling::kStatic:
            return reference::quantize_rows_static(values, M, K, input_scale);
        case Scaling::kAsymmetric:
            return reference::quantize_rows_asymmetric(values, M, K);
        case Scaling::kReady:
            break;
    }
    return reference::quantize_rows_static(values, M, K, 1);
}

void check_quantized(const Kernel& kernel, const TypedMatrix& x, float input_scale) {
    const Scaling scaling = kernel.info.scaling;
    const QuantizedActivations actual = quantize(kernel, x, input_scale);
    const reference::QuantizedRows expected = expected_of(scaling, x, input_scale);
    REQUIRE_FALSE(expected.non_finite_row);
    int wrong_elements = 0, wrong_scales = 0, wrong_zero_points = 0;
    for (std::int64_t m = 0; m < actual.panel.rows(); m++) {
        const std::int64_t source = std::min(m, x.rows() - 1);  // the last row is repeated
        const auto row = static_cast<std::size_t>(source);
        const int zero = expected.zero_points.empty() ? 0 : expected.zero_points[row];
        for (std::int64_t k = 0; k < actual.panel.k(); k++) {
            const int q = k < x.columns() ? expected.values[static_cast<std::size_t>(source * x.columns() + k)] : zero;
            // What the padding of K holds of an asymmetric row is multiplied by weights of 0.
            if (scaling == Scaling::kAsymmetric && k >= x.columns()) continue;
            wrong_elements += actual.panel.at(m, k) != static_cast<float>(q);
        }
        if (is_for_single_row(kernel.info) && m > 0) continue;  // all of the panel is that row
        if (scaling == Scaling::kDynamic || scaling == Scaling::kAsymmetric)
            wrong_scales += actual.scale.at(m) != expected.scales[row];
        if (scaling == Scaling::kAsymmetric) wrong_zero_points += actual.zero_point.at(m) != zero;
    }
    CHECK(wrong_elements == 0);
    CHECK(wrong_scales == 0);
    CHECK(wrong_zero_points == 0);
}

// Levels where the kernel takes levels, else values of the fill.
TypedMatrix make_x(const KernelInfo& info, Random& random, std::int64_t m, std::int64_t k, Fill fill) {
    std::vector<float> values = make_values(random, m, k, fill);
    if (info.input == DataType::kI8) {
        for (float& value : values)
            value = static_cast<float>(random.below(255)) - 127;
    }
    return {info.input, m, k, values, random.below(2) * 3};
}

TEST_CASE("activations quantize bit-exactly, whatever their type, shape, stride, scaling and values") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeRows)) {
        for (const Fill fill : kFills) {
            for (const std::int64_t m : {1, 9, 17}) {
                if (m > 1 && is_for_single_row(kernel->info)) continue;
                for (const std::int64_t k : {1, 16, 31, 129}) {
                    std::ostringstream key;
                    key << "activations " << name_of(fill) << ' ' << m << ' ' << k;
                    Random random(key.str());
                    const TypedMatrix x = make_x(kernel->info, random, m, k, fill);
                    // Some elements saturate; at 1, which is exact, ties are ties.
                    const float input_scale = random.below(2) ? 1.0f : 1.7f / 127;
                    INFO(kernel->info.name << ", " << random);
                    check_quantized(*kernel, x, input_scale);
                }
            }
        }
    }
}

TEST_CASE("activations quantize bit-exactly at every magnitude of f32") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeRows)) {
        if (kernel->info.input != DataType::kF32 || is_for_single_row(kernel->info)) continue;
        const std::int64_t m = 253, k = 33;
        Random random("activations of every magnitude");
        std::vector<float> values = make_values(random, m, k, Fill::kNormal);
        for (std::int64_t i = 0; i < m * k; i++) {
            float& value = values[static_cast<std::size_t>(i)];
            value = std::ldexp(value / 4, static_cast<int>(i / k) - 127);
        }
        for (const float input_scale : {0x1p-126f, 1e-20f, 0.01f, 1e20f, 0x1p126f}) {
            if (kernel->info.scaling != Scaling::kStatic && input_scale != 0.01f) continue;
            INFO(kernel->info.name << ", " << random << ", input scale " << input_scale);
            check_quantized(*kernel, TypedMatrix(DataType::kF32, m, k, values), input_scale);
        }
    }
}

TEST_CASE("asymmetric activations: ranges to one side of zero, and zero itself") {
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeRows)) {
        if (kernel->info.input != DataType::kF32 || kernel->info.scaling != Scaling::kAsymmetric) continue;
        if (is_for_single_row(kernel->info)) continue;
        Random random("asymmetric activations");
        const std::int64_t k = 40;
        std::vector<float> values;
        for (const float offset : {-100.0f, -3.0f, 0.0f, 3.0f, 100.0f}) {
            for (const float width : {0.0f, 1e-12f, 0.5f, 1.0f, 50.0f}) {
                for (std::int64_t i = 0; i < k; i++)
                    values.push_back(offset + width * random.normal());
            }
        }
        const TypedMatrix x(DataType::kF32, 25, k, values);
        INFO(kernel->info.name);
        check_quantized(*kernel, x, 0);
        // Zero has a level of its own, and the whole range is used.
        const QuantizedActivations actual = quantize(*kernel, x, 0);
        CHECK(actual.zero_point.at(0) == 127);
        CHECK(actual.zero_point.at(24) > -128);
        CHECK(actual.panel.at(0, 0) == -128);
        CHECK(actual.zero_point.at(20) == -128);
        CHECK(actual.panel.at(20, 0) == 127);
    }
}

TEST_CASE("a row that cannot be quantized has a magnitude that says so, and spoils no other") {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (const Kernel* kernel : kernels_of(KernelFamily::kQuantizeRows)) {
        if (kernel->info.scaling == Scaling::kReady) continue;
        const std::int64_t rows = is_for_single_row(kernel->info) ? 1 : 5, bad_row = rows / 2;
        for (const float bad : {infinity, -infinity, nan, -nan}) {
            for (const std::int64_t column : {0, 15, 16, 20}) {
                Random random("activations non-finite");
                TypedMatrix x(kernel->info.input, rows, 21, make_values(random, rows, 21, Fill::kNormal));
                const QuantizedActivations before = quantize(*kernel, x, 0.02f);
                x.set(bad_row, column, bad);
                const QuantizedActivations spoilt = quantize(*kernel, x, 0.02f);
                INFO(kernel->info.name << ", " << bad << " in column " << column);
                for (std::int64_t m = 0; m < rows; m++) {
                    CHECK(std::isfinite(std::bit_cast<float>(spoilt.magnitude.at(m))) == (m != bad_row));
                    if (m == bad_row) continue;
                    CHECK(spoilt.scale.at(m) == before.scale.at(m));
                    CHECK(spoilt.zero_point.at(m) == before.zero_point.at(m));
                    for (std::int64_t k = 0; k < 21; k++)
                        CHECK(spoilt.panel.at(m, k) == before.panel.at(m, k));
                }
            }
        }
    }
}

TEST_CASE("f16 activations are rounded once, to nearest, and padded with zeros") {
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
                    Panel panel(info.panel, info.panel_m, 1, m, k);
                    HalideBuffer source = matrix_buffer(x.view()), packed = panel.buffer();
                    INFO(info.name << ", " << random);
                    REQUIRE(call_kernel(*kernel, {source, packed}).ok());
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
