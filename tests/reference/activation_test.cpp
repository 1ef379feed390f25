#include "tests/reference/activation.h"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "tests/reference/half.h"
#include "tests/reference/ulp.h"

namespace octile::reference {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Function {
    const char* name;
    float (*sequence)(float);
    double (*exact)(double);
    float constant_below;  // the clamp of the sequence: from here down it is one tiny constant
    // What docs/quantization.md promises.
    double ulp_positive;       // over x > 0
    double ulp_near_negative;  // over -1 <= x < 0
    double absolute_tail;      // over x < -1
    double ulp_f16;            // over all f16 inputs, rounded to f16
};

constexpr Function functions[] = {
    {"relu", relu, exact::relu, 0, 0, 0, 0, 0},
    {"relu6", relu6, exact::relu6, 0, 0, 0, 0, 0},
    {"hardswish", hardswish, exact::hardswish, -3, 2.5, 2.5, 5e-8, 0.51},
    {"gelu", gelu, exact::gelu, -6, 7.5, 6, 1e-7, 0.75},
    {"silu", silu, exact::silu, -86, 2.5, 3, 7e-8, 0.51},
    {"quick_gelu", quick_gelu, exact::quick_gelu, -50, 2.5, 3, 5e-8, 0.51},
    {"gelu_tanh", gelu_tanh, exact::gelu_tanh, -9.875, 2.5, 3, 5e-8, 0.51},
};

struct Largest {
    double error = 0;
    float at = 0;

    void add(double candidate, float x) {
        if (candidate > error) *this = {candidate, x};
    }
};

struct Errors {
    Largest ulp_positive, ulp_near_negative, absolute_tail, ulp_f16;
};

Errors measure(const Function& function, std::uint32_t stride) {
    Errors errors;
    const auto each = [&](float x, bool negative) {
        const double expected = function.exact(static_cast<double>(x));
        const double error = std::abs(static_cast<double>(function.sequence(x)) - expected);
        if (!negative) {
            errors.ulp_positive.add(error / spacing_f32(expected), x);
        } else if (x >= -1.0f) {
            errors.ulp_near_negative.add(error / spacing_f32(expected), x);
        } else {
            errors.absolute_tail.add(error, x);
        }
    };
    for (std::uint32_t bits = 0; bits < 0x7f800000u; bits += stride) {
        each(std::bit_cast<float>(bits), false);
        // Far below the clamp the double formulas lose their way; the clamp's constant is tested by itself.
        each(std::max(std::bit_cast<float>(bits | 0x80000000u), -100.0f), true);
    }
    for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
        const float x = half_to_float(static_cast<std::uint16_t>(bits));
        if (!std::isfinite(x)) continue;
        const double expected = function.exact(static_cast<double>(std::max(x, -100.0f)));
        const double result = static_cast<double>(half_to_float(float_to_half(function.sequence(x))));
        errors.ulp_f16.add(std::abs(result - expected) / spacing_f16(expected), x);
    }
    return errors;
}

TEST_CASE("activations are as close to the exact functions as the page says") {
    for (const Function& function : functions) {
        INFO(function.name);
        const Errors errors = measure(function, 1009);
        CHECK(errors.ulp_positive.error <= function.ulp_positive);
        CHECK(errors.ulp_near_negative.error <= function.ulp_near_negative);
        CHECK(errors.absolute_tail.error <= function.absolute_tail);
        CHECK(errors.ulp_f16.error <= function.ulp_f16);
    }
}

// The table of docs/quantization.md. Not part of a normal run: octile_reference_tests "[measure]"
TEST_CASE("measured errors of the activations", "[.][measure]") {
    std::printf("%-12s %22s %22s %22s %22s\n", "", "ulp, x > 0", "ulp, -1 <= x < 0", "absolute, x < -1",
                "f16 ulp, all f16");
    for (const Function& function : functions) {
        const Errors errors = measure(function, 61);
        std::printf("%-12s", function.name);
        for (const Largest& largest :
             {errors.ulp_positive, errors.ulp_near_negative, errors.absolute_tail, errors.ulp_f16}) {
            std::printf(" %9.3g at %9.4g", largest.error, static_cast<double>(largest.at));
        }
        std::printf("\n");
    }
}

TEST_CASE("large inputs: the identity on one side, nothing on the other, and never a NaN") {
    for (const Function& function : functions) {
        if (function.sequence == relu6) continue;
        INFO(function.name);
        for (const float x : {18.0f, 1e3f, 1e10f, 1e30f, std::numeric_limits<float>::max(), infinity}) {
            CHECK(function.sequence(x) == x);
            if (-x > function.constant_below) continue;
            CHECK(std::bit_cast<std::uint32_t>(function.sequence(-x)) ==
                  std::bit_cast<std::uint32_t>(function.sequence(-infinity)));
        }
        CHECK(std::abs(function.sequence(-infinity)) < 1e-35f);
    }
    CHECK(relu6(infinity) == 6.0f);
    CHECK(relu6(-infinity) == 0.0f);
}

TEST_CASE("the results at -infinity that the page states") {
    CHECK(std::bit_cast<std::uint32_t>(relu(-infinity)) == 0);
    CHECK(std::bit_cast<std::uint32_t>(relu6(-infinity)) == 0);
    CHECK(std::bit_cast<std::uint32_t>(hardswish(-infinity)) == 0x80000000u);
    CHECK(std::bit_cast<std::uint32_t>(gelu(-infinity)) == 0x80000000u);
    CHECK(silu(-infinity) == -0x1.474e0cp-118f);
    CHECK(quick_gelu(-infinity) == -0x1.d40c1ep-118f);
    CHECK(gelu_tanh(-infinity) == -0x1.5af1a2p-119f);
}

TEST_CASE("from where on the results are the inputs") {
    for (float x = 3.0f; x < 40.0f; x = std::nextafter(x, infinity)) {
        const bool same = hardswish(x) == x && (x < 6 || gelu(x) == x) && (x < 17 || silu(x) == x) &&
                          (x < 10 || quick_gelu(x) == x) && (x < 5 || gelu_tanh(x) == x);
        if (!same) FAIL(x);
    }
}

TEST_CASE("zeros keep their sign, but for relu and relu6") {
    for (const Function& function : functions) {
        INFO(function.name);
        CHECK(std::bit_cast<std::uint32_t>(function.sequence(0.0f)) == 0);
        const bool keeps = function.sequence != relu && function.sequence != relu6;
        CHECK(std::bit_cast<std::uint32_t>(function.sequence(-0.0f)) == (keeps ? 0x80000000u : 0u));
    }
}

TEST_CASE("a NaN stays one, but for relu and relu6, where it becomes +0") {
    for (const Function& function : functions) {
        INFO(function.name);
        for (const float nan : {std::nanf(""), -std::nanf("")}) {
            const float y = function.sequence(nan);
            const bool keeps = function.sequence != relu && function.sequence != relu6;
            CHECK((keeps ? std::isnan(y) : std::bit_cast<std::uint32_t>(y) == 0));
        }
    }
}

TEST_CASE("denormal inputs are not flushed") {
    const float tiny = 0x1p-140f;
    CHECK(gelu(tiny) == 0x1p-141f);
    CHECK(silu(-tiny) == -0x1p-141f);
    CHECK(gelu_tanh(tiny) == 0x1p-141f);
    CHECK(quick_gelu(tiny) == 0x1p-141f);
    CHECK(hardswish(tiny) == 0x1p-141f);
}

TEST_CASE("exp(-v) over its whole range") {
    Largest largest;
    for (float v = -88.0f; v <= 87.0f; v += 0x1.00357p-12f) {
        const double expected = std::exp(-static_cast<double>(v));
        largest.add(std::abs(static_cast<double>(exp_minus(v)) - expected) / spacing_f32(expected), v);
    }
    INFO("at " << largest.at);
    CHECK(largest.error <= 2.5);
    CHECK(exp_minus(0.0f) == 1.0f);
    CHECK(exp_minus(-0.0f) == 1.0f);
}

}  // namespace
}  // namespace octile::reference
