#include "tests/reference/tolerance.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "tests/reference/half.h"

namespace octile::reference {
namespace {

float round_to_f16(double value) {
    // Through double to f32 would round twice. Rounding to odd first does not: what is cut off stays visible in the
    // last bit.
    auto narrow = static_cast<float>(value);
    if (static_cast<double>(narrow) != value && !std::isinf(narrow)) {
        if (std::abs(static_cast<double>(narrow)) > std::abs(value)) narrow = std::nextafter(narrow, 0.0f);
        narrow = std::bit_cast<float>(std::bit_cast<std::uint32_t>(narrow) | 1u);
    }
    return half_to_float(float_to_half(narrow));
}

// What an Arm kernel does: fused multiply-adds in f16 over each chunk, chunks added in f32. A product of halves and a
// half add up exactly in double unless their magnitudes are more than 2^30 apart, and then the error is far too small
// to matter.
float accumulate_f16(const std::vector<float>& x, const std::vector<float>& w) {
    float accumulator = 0.0f;
    for (std::size_t begin = 0; begin < x.size(); begin += f16_chunk) {
        float chunk = 0.0f;
        for (std::size_t k = begin; k < std::min(x.size(), begin + f16_chunk); ++k) {
            chunk = round_to_f16(static_cast<double>(x[k]) * static_cast<double>(w[k]) + static_cast<double>(chunk));
        }
        accumulator += chunk;
    }
    return accumulator;
}

float accumulate_f32(const std::vector<float>& x, const std::vector<float>& w) {
    float accumulator = 0.0f;
    for (std::size_t k = 0; k < x.size(); ++k)
        accumulator += x[k] * w[k];
    return accumulator;
}

// The largest error of the kernel's arithmetic as a share of the tolerance, over random layers of several kinds of
// values.
double largest_share(Fp16Arithmetic arithmetic) {
    std::mt19937 random(7);
    double largest = 0;
    for (const std::size_t k : {1u, 2u, 3u, 64u, 127u, 128u, 129u, 1000u, 4096u}) {
        for (const double size : {1.0, 1e-4, 4e-7, 8.0}) {
            for (const bool positive : {false, true}) {
                std::vector<float> x(k), w(k);
                for (std::size_t i = 0; i < k; ++i) {
                    const auto draw = [&] { return (static_cast<double>(random()) / 0x1p31 - (positive ? 0.0 : 1.0)); };
                    x[i] = round_to_f16(draw() * size);
                    w[i] = round_to_f16(draw());
                }
                const ExactOutput exact = linear_exact(x, w, {}, 1, k, 1)[0];
                const float got = arithmetic == Fp16Arithmetic::kF16 ? accumulate_f16(x, w) : accumulate_f32(x, w);
                const double error = std::abs(static_cast<double>(got) - exact.value);
                const double tolerance = accumulator_tolerance(exact, k, arithmetic);
                if (error > 0) largest = std::max(largest, error / tolerance);
            }
        }
    }
    return largest;
}

TEST_CASE("f16 arithmetic stays within its tolerance, and comes near enough for the tolerance to mean something") {
    const double share = largest_share(Fp16Arithmetic::kF16);
    CHECK(share <= 1.0);
    CHECK(share >= 0.2);
}

TEST_CASE("f32 arithmetic stays within its tolerance") {
    CHECK(largest_share(Fp16Arithmetic::kF32) <= 1.0);
}

TEST_CASE("the worst case of f16 arithmetic: every step rounds the same way") {
    // 1 and then 127 terms of half a unit in its last place: each is a tie that goes back to 1.
    std::vector<float> x(128, 0x1p-11f);
    const std::vector<float> w(128, 1.0f);
    x[0] = 1.0f;
    const ExactOutput exact = linear_exact(x, w, {}, 1, 128, 1)[0];
    const double error = std::abs(static_cast<double>(accumulate_f16(x, w)) - exact.value);
    CHECK(error == 127 * 0x1p-11);
    CHECK(error <= accumulator_tolerance(exact, 128, Fp16Arithmetic::kF16));
}

TEST_CASE("no finite tolerance where f16 may overflow") {
    const std::vector<float> x(128, 256.0f);
    const std::vector<float> w(128, 2.0f);
    const ExactOutput exact = linear_exact(x, w, {}, 1, 128, 1)[0];
    CHECK(std::isinf(accumulate_f16(x, w)));
    CHECK(std::isinf(accumulator_tolerance(exact, 128, Fp16Arithmetic::kF16)));
    CHECK(std::isfinite(accumulator_tolerance(exact, 128, Fp16Arithmetic::kF32)));
    CHECK(std::isinf(output_tolerance(0, 65519.999, 65519.999, Activation::kNone, DataType::kF16)));
    CHECK(std::isfinite(output_tolerance(0, 65519.999, 65519.999, Activation::kNone, DataType::kF32)));
}

TEST_CASE("the output's tolerance grows with each rounding behind the accumulator") {
    CHECK(output_tolerance(0, 1, 1, Activation::kNone, DataType::kF32) == f32_unit);
    CHECK(output_tolerance(0, 1, 1, Activation::kNone, DataType::kF16) > f16_unit);
    CHECK(output_tolerance(0, 1, exact::gelu(1), Activation::kGelu, DataType::kF32) > f32_unit);
    CHECK(output_tolerance(1e-3, 1, exact::gelu(1), Activation::kGelu, DataType::kF32) > 1.4e-3);
}

}  // namespace
}  // namespace octile::reference
