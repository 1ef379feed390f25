#include "tests/reference/linear.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace octile::reference {
namespace {

QuantizedRows filled(std::size_t rows, std::size_t k, std::int8_t value, float scale) {
    return {.rows = rows,
            .k = k,
            .values = std::vector<std::int8_t>(rows * k, value),
            .scales = std::vector<float>(rows, scale),
            .non_finite_row = std::nullopt};
}

TEST_CASE("a small layer, by hand") {
    // Both operands quantize without loss: every scale is 1.
    const std::vector<float> x = {127, 2, 3, -127, 5, 6};
    const std::vector<float> w = {127, 0, -1, 1, 127, 2};
    const std::vector<float> bias = {0.5f, -1000.0f};
    CHECK(
        linear_s8(x, w, bias, 2, 3, 2, Activation::kNone) ==
        std::vector<float>{127 * 127 - 3 + 0.5f, 127 + 254 + 6 - 1000, -127 * 127 - 6 + 0.5f, -127 + 635 + 12 - 1000});
    CHECK(linear_s8(x, w, {}, 2, 3, 2, Activation::kRelu) == std::vector<float>{127 * 127 - 3, 387, 0, 520});
}

TEST_CASE("the two scales are multiplied first") {
    // 3 * (sa * sw) and (3 * sa) * sw differ in the last bit.
    const float sa = 0x1.000002p+0f;
    const float sw = 0x1.555556p+0f;
    const std::vector<float> y = linear_s8(filled(1, 1, 3, sa), filled(1, 1, 1, sw), {}, Activation::kNone);
    CHECK(y[0] == 3.0f * (sa * sw));
    CHECK(y[0] != (3.0f * sa) * sw);
}

TEST_CASE("the sum fits int32 up to K = 131072, even with weights of -128") {
    constexpr std::size_t k = 131072;
    const std::vector<float> y = linear_s8(filled(1, k, -127, 1.0f), filled(1, k, -128, 1.0f), {}, Activation::kNone);
    CHECK(y[0] == static_cast<float>(127 * 128 * static_cast<std::int64_t>(k)));
}

TEST_CASE("a sum above 2^24 is rounded to the nearest float, ties to even") {
    QuantizedRows x = filled(1, 1041, 127, 1.0f);
    const QuantizedRows w = filled(1, 1041, 127, 1.0f);
    static_assert(1041 * 127 * 127 == 16790289);  // odd and above 2^24: a tie
    CHECK(linear_s8(x, w, {}, Activation::kNone)[0] == 16790288.0f);
    x.values[0] = 125;  // 16790035: a tie whose even neighbour is above
    CHECK(linear_s8(x, w, {}, Activation::kNone)[0] == 16790036.0f);
}

TEST_CASE("zero is +0, whatever its operands") {
    const std::vector<float> minus_zero = {-0.0f};
    const float with_bias = linear_s8(filled(1, 1, 0, 1.0f), filled(1, 1, -1, 1.0f), minus_zero, Activation::kNone)[0];
    const float without = linear_s8(filled(1, 1, 0, 1.0f), filled(1, 1, -1, 1.0f), {}, Activation::kNone)[0];
    CHECK_FALSE(std::signbit(with_bias));
    CHECK_FALSE(std::signbit(without));
}

TEST_CASE("in double, with the sums of magnitudes") {
    std::vector<float> x(300, 1.0f);
    std::vector<float> w(300, -2.0f);
    x[0] = -8.0f;
    w[299] = 100.0f;
    const ExactOutput out = linear_exact(x, w, std::vector<float>{0.25f}, 1, 300, 1)[0];
    CHECK(out.value == 16 - 2 * 298 + 100 + 0.25);
    CHECK(out.magnitude == 16 + 2 * 298 + 100);
    CHECK(out.largest_chunk == 16 + 2 * 127);
}

}  // namespace
}  // namespace octile::reference
