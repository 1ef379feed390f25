#include "tests/reference/half.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

namespace octile::reference {
namespace {

constexpr std::uint16_t infinity = 0x7c00;

// By the definition of the format, without a bit of float_to_half's method.
double value_of(std::uint16_t half) {
    const int exponent = half >> 10 & 31;
    const int fraction = half & 1023;
    const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

TEST_CASE("every finite half is a float of the same value, and comes back") {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        const auto half = static_cast<std::uint16_t>(bits);
        if ((half & infinity) == infinity) continue;
        const float value = half_to_float(half);
        if (static_cast<double>(value) != value_of(half) || std::signbit(value) != (half >= 0x8000) ||
            float_to_half(value) != half) {
            FAIL("half " << bits << " is " << value);
        }
    }
}

TEST_CASE("between two halves the nearer one is taken, and the even one in the middle") {
    for (std::uint32_t bits = 0; bits < infinity; ++bits) {
        const auto low = static_cast<std::uint16_t>(bits);
        const auto high = static_cast<std::uint16_t>(bits + 1);  // may be infinity, which then stands for 65536
        const double middle = (value_of(low) + (high == infinity ? 65536.0 : value_of(high))) / 2;
        const auto tie = static_cast<float>(middle);
        REQUIRE(static_cast<double>(tie) == middle);
        const std::uint16_t even = low & 1 ? high : low;
        const bool right = float_to_half(tie) == even && float_to_half(std::nextafter(tie, 0.0f)) == low &&
                           float_to_half(std::nextafter(tie, 1e9f)) == high && float_to_half(-tie) == (even | 0x8000);
        if (!right) FAIL("between half " << low << " and " << high);
    }
}

TEST_CASE("floats beyond the range of halves") {
    CHECK(float_to_half(65504.0f) == 0x7bff);
    CHECK(float_to_half(std::nextafter(65520.0f, 0.0f)) == 0x7bff);
    CHECK(float_to_half(65520.0f) == infinity);
    CHECK(float_to_half(-std::numeric_limits<float>::infinity()) == 0xfc00);
    CHECK(float_to_half(0x1p-25f) == 0);
    CHECK(float_to_half(std::nextafter(0x1p-25f, 1.0f)) == 1);
    CHECK(float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
    CHECK(float_to_half(-std::numeric_limits<float>::denorm_min()) == 0x8000);
}

TEST_CASE("infinities and NaNs of halves") {
    CHECK(half_to_float(infinity) == std::numeric_limits<float>::infinity());
    CHECK(half_to_float(0xfc00) == -std::numeric_limits<float>::infinity());
    for (std::uint32_t bits = 0x7c01; bits < 0x8000; ++bits) {
        const auto half = static_cast<std::uint16_t>(bits);
        const float value = half_to_float(half);
        if (!std::isnan(value) || float_to_half(value) != (half | 0x0200)) FAIL("half " << bits);
    }
    // A payload in the bits that a half drops must not become an infinity.
    CHECK(float_to_half(std::bit_cast<float>(0x7f800001u)) == 0x7e00);
}

TEST_CASE("every bfloat16 survives, and between two of them the nearer is taken") {
    for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
        const auto bf16 = static_cast<std::uint16_t>(bits);
        const float value = bf16_to_float(bf16);
        if (std::isnan(value)) {
            CHECK(std::isnan(bf16_to_float(float_to_bf16(value))));
            continue;
        }
        if (float_to_bf16(value) != bf16) FAIL(bits);
        // Up to half way, which goes to the even one; also into the infinity.
        if ((bits & 0x7f80u) == 0x7f80u) continue;
        const auto at = [&](std::uint32_t rest) { return float_to_bf16(std::bit_cast<float>(bits << 16 | rest)); };
        if (at(0x7fff) != bits || at(0x8001) != bits + 1 || at(0x8000) != bits + (bits & 1u)) FAIL(bits);
    }
}

}  // namespace
}  // namespace octile::reference
