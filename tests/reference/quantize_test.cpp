#include "tests/reference/quantize.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace octile::reference {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

using Levels = std::vector<std::int8_t>;

TEST_CASE("ties go to the even level, in activations and in weights") {
    const std::vector<float> row = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -126.5f};
    const Levels expected = {127, 0, 2, 2, 0, -2, -2, 126, -126};
    for (const QuantizedRows& result : {quantize_rows(row, 1, row.size()), quantize_weights(row, 1, row.size())}) {
        CHECK(result.scales == std::vector<float>{1.0f});
        CHECK(result.values == expected);
    }
}

TEST_CASE("the largest magnitude becomes 127 or -127") {
    const std::vector<float> rows = {-3.0f, 1.0f, 0.0f, 3e-5f, 2e-5f, -1e-5f};
    const QuantizedRows result = quantize_rows(rows, 2, 3);
    CHECK(result.values == Levels{-127, 42, 0, 127, 85, -42});
    CHECK(result.scales == std::vector<float>{3.0f / 127.0f, 3e-5f / 127.0f});
}

TEST_CASE("a row of zeros, or of less than 1e-8, has the scale of 1e-8") {
    const float denormal = std::numeric_limits<float>::denorm_min();
    const std::vector<float> rows = {0.0f, -0.0f, denormal, -denormal, 1e-8f, 4e-9f, 1e-10f, -1e-9f};
    const QuantizedRows result = quantize_weights(rows, 4, 2);
    CHECK(result.scales == std::vector<float>(4, 1e-8f / 127.0f));
    CHECK(result.values == Levels{0, 0, 0, 0, 127, 51, 1, -13});
}

// The one difference between the two: torch's w / scale for weights, x * (127 / absmax) for activations. Here the
// quotient is just below 33.5, and the product is 33.5.
TEST_CASE("weights are divided by their scale, activations are multiplied by its inverse") {
    const std::vector<float> row = {0x1.e3ep+0f, 0x1.fe8b94p-2f};
    CHECK(quantize_weights(row, 1, 2).values == Levels{127, 33});
    CHECK(quantize_rows(row, 1, 2).values == Levels{127, 34});
}

// docs/quantization.md proves it; this looks where it is nearest to failing: the largest element itself, over many
// mantissas and all exponents.
TEST_CASE("no element exceeds 127, so that -128 never appears and the clamp never acts") {
    float highest = 0;
    for (std::uint32_t bits = std::bit_cast<std::uint32_t>(1e-8f); bits < 0x7f800000u; bits += 257) {
        const float largest = std::bit_cast<float>(bits);
        highest = std::max({highest, largest * (127.0f / largest), largest / (largest / 127.0f)});
    }
    CHECK(highest <= 127.00002f);
    const float max = std::numeric_limits<float>::max();
    CHECK(quantize_rows(std::vector<float>{max, -max}, 1, 2).values == Levels{127, -127});
    CHECK(quantize_weights(std::vector<float>{max, -max}, 1, 2).values == Levels{127, -127});
}

TEST_CASE("absmax ranks NaN above infinity above every number") {
    CHECK(absmax(std::vector<float>{-2.0f, 1.0f}) == 2.0f);
    CHECK(absmax(std::vector<float>{}) == 1e-8f);
    CHECK(absmax(std::vector<float>{1.0f, -infinity}) == infinity);
    CHECK(std::isnan(absmax(std::vector<float>{-infinity, -nan, infinity})));
}

TEST_CASE("the first row with a NaN or an infinity is named") {
    CHECK_FALSE(quantize_rows(std::vector<float>{1, 2, 3, 4}, 2, 2).non_finite_row);
    CHECK(quantize_rows(std::vector<float>{1, 2, 3, nan, infinity, 4}, 3, 2).non_finite_row == 1u);
    CHECK(quantize_weights(std::vector<float>{-infinity, 2, 3, nan}, 2, 2).non_finite_row == 0u);
}

TEST_CASE("a static scale: ties to even, and saturation on both sides") {
    const std::vector<float> row = {0.25f, 0.75f, -0.25f, -0.75f, 63.5f, 63.75f, 64.0f, -63.5f, -1e30f, 1e30f, 0.0f};
    const QuantizedRows result = quantize_rows_static(row, 1, row.size(), 0.5f);
    CHECK(result.values == Levels{0, 2, 0, -2, 127, 127, 127, -127, -127, 127, 0});
    CHECK(result.scales == std::vector<float>{0.5f});
    CHECK(result.zero_points.empty());
    CHECK(quantize_rows_static(std::vector<float>{1, nan}, 2, 1, 1).non_finite_row == 1u);
}

TEST_CASE("an asymmetric row has 255 steps from its lowest to its highest value, zero among them") {
    const std::vector<float> rows = {-1, 0, 1, 0, 127.5f, 255, -255, -127.5f, 0, 3, 3, 3, 0, 0, -0.0f};
    const QuantizedRows result = quantize_rows_asymmetric(rows, 5, 3);
    CHECK(result.scales == std::vector<float>{2.0f / 255, 1, 1, 3.0f / 255, 1e-8f / 255});
    CHECK(result.zero_points == std::vector<std::int32_t>{0, -128, 127, -128, -128});
    // rne(127.5) is 128 on either side.
    CHECK(result.values == Levels{-128, 0, 127, -128, 0, 127, -128, -1, 127, 127, 127, 127, -128, -128, -128});
    CHECK(quantize_rows_asymmetric(std::vector<float>{1, 2, infinity, 2}, 2, 2).non_finite_row == 1u);
}

TEST_CASE("a level of an asymmetric row stands for its value to within half a step") {
    std::vector<float> row;
    for (int i = 0; i < 1000; i++)
        row.push_back(-2.0f + static_cast<float>(i) * 0.0071f);
    const QuantizedRows result = quantize_rows_asymmetric(row, 1, row.size());
    for (std::size_t i = 0; i < row.size(); i++) {
        const float value = static_cast<float>(result.values[i] - result.zero_points[0]) * result.scales[0];
        // Half a step of the value, half a step of the zero point, which both ends saturate by.
        CHECK(std::abs(value - row[i]) <= 1.001f * result.scales[0]);
    }
}

}  // namespace
}  // namespace octile::reference
