// The checks of `octile run`: results that are right are taken, however their sums were rounded, and results that are
// wrong by as little as the arithmetic lets one tell are not.
#include "cli/verify.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/reference/half.h"
#include "tests/reference/linear.h"
#include "tests/reference/quantize.h"
#include "tests/support/seed.h"

using namespace octile;
using namespace octile::cli;

namespace {

constexpr Activation kActivations[] = {Activation::kNone,      Activation::kRelu, Activation::kRelu6,
                                       Activation::kHardswish, Activation::kGelu, Activation::kGeluTanh,
                                       Activation::kQuickGelu, Activation::kSilu};
constexpr std::size_t kReductions[] = {1, 2, 7, 127, 128, 129, 1000};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<float> normal(test::Random& random, std::size_t count, float deviation) {
    std::vector<float> values(count);
    for (float& value : values)
        value = deviation * random.normal();
    return values;
}

struct Operands {
    std::vector<float> x, w;
    float bias;
};

// For each K and a few draws: normal activations, weights as a network's, which keep the sums near 1.
template <typename Visit>
void for_each_row(const std::string& key, Visit visit) {
    test::Random random(key);
    INFO(random);
    for (const std::size_t k : kReductions) {
        for (int draw = 0; draw < 20; draw++) {
            CAPTURE(k, draw);
            const float deviation = 1 / std::sqrt(static_cast<float>(k));
            visit(Operands{normal(random, k, 1), normal(random, k, deviation), random.normal()});
        }
    }
}

float round_to_f16(float value) {
    return reference::half_to_float(reference::float_to_half(value));
}

std::vector<float> rounded_to_f16(std::vector<float> values) {
    std::transform(values.begin(), values.end(), values.begin(), round_to_f16);
    return values;
}

// The FP16 layer in chunks of 128 steps: each added up in f16, or in f32, as kernels with and without f16 arithmetic
// do.
float fp16_kernel(const Operands& operands, Activation activation, bool f16_arithmetic) {
    const std::vector<float> x = rounded_to_f16(operands.x), w = rounded_to_f16(operands.w);
    float sum = 0, chunk = 0;
    for (std::size_t k = 0; k < x.size(); k++) {
        chunk += x[k] * w[k];
        if (f16_arithmetic) chunk = round_to_f16(chunk);
        if (k % 128 == 127 || k + 1 == x.size()) {
            sum += chunk;
            chunk = 0;
        }
    }
    return reference::activate(activation, sum + operands.bias);
}

}  // namespace

TEST_CASE("verify: what is within the tolerance") {
    const double largest = static_cast<double>(std::numeric_limits<float>::max());
    struct Case {
        double found;
        Bounded expected;
        bool within;
    };
    for (const Case& c : std::vector<Case>{{1.0, {1.0, 0.0}, true},
                                           {1.5, {1.0, 0.5}, true},
                                           {1.5000001, {1.0, 0.5}, false},
                                           {0.4999999, {1.0, 0.5}, false},
                                           {-1.0, {1.0, 0.5}, false},
                                           {std::nan(""), {1.0, 0.5}, false},
                                           {std::nan(""), {1.0, kInfinity}, false},
                                           {kInfinity, {1.0, 0.5}, false},
                                           {-kInfinity, {1.0, 0.5}, false},
                                           // what no f32 holds is an infinity, of the same sign
                                           {kInfinity, {1.1 * largest, 0.0}, true},
                                           {-kInfinity, {-1.1 * largest, 0.0}, true},
                                           {-kInfinity, {1.1 * largest, 0.0}, false},
                                           {kInfinity, {0.9 * largest, 0.2 * largest}, true},
                                           {kInfinity, {0.9 * largest, 0.0}, false},
                                           {largest, {1.1 * largest, 0.0}, false}}) {
        CAPTURE(c.found, c.expected.value, c.expected.tolerance);
        CHECK(is_within(c.found, c.expected) == c.within);
    }
}

TEST_CASE("verify: quantizes as the definition does") {
    for_each_row("verify quantize", [](const Operands& operands) {
        const std::size_t k = operands.x.size();
        const Quantized rows = quantize_row(operands.x), channels = quantize_channel(operands.w);
        const reference::QuantizedRows x = reference::quantize_rows(operands.x, 1, k);
        const reference::QuantizedRows w = reference::quantize_weights(operands.w, 1, k);
        CHECK(rows.scale == static_cast<double>(x.scales[0]));
        CHECK(channels.scale == static_cast<double>(w.scales[0]));
        CHECK(std::equal(rows.values.begin(), rows.values.end(), x.values.begin(), x.values.end()));
        CHECK(std::equal(channels.values.begin(), channels.values.end(), w.values.begin(), w.values.end()));
    });
    for (const float value : {0.0f, 1e-30f, 3e38f}) {
        const std::vector<float> values = {value, -value, value / 3};
        CAPTURE(value);
        CHECK(quantize_row(values).scale == static_cast<double>(reference::quantize_rows(values, 1, 3).scales[0]));
        CHECK(quantize_channel(values).scale ==
              static_cast<double>(reference::quantize_weights(values, 1, 3).scales[0]));
    }
}

TEST_CASE("verify: int8 takes the defined result and no sum that is off by one") {
    for (const Activation activation : kActivations) {
        INFO(name_of(activation));
        for_each_row("verify int8", [&](const Operands& operands) {
            const Quantized x = quantize_row(operands.x), w = quantize_channel(operands.w);
            const Epilogue epilogue{static_cast<double>(operands.bias), activation};
            const Bounded expected = int8_output(x, w, epilogue);
            const std::vector<float> bias = {operands.bias};
            const std::vector<float> y =
                reference::linear_s8(operands.x, operands.w, bias, 1, operands.x.size(), 1, activation);
            CHECK(is_within(static_cast<double>(y[0]), expected));
            if (activation != Activation::kNone) return;  // which may flatten a difference
            CHECK_FALSE(is_within(static_cast<double>(y[0]) + x.scale * w.scale, expected));
            CHECK_FALSE(is_within(static_cast<double>(y[0]) - x.scale * w.scale, expected));
        });
    }
}

TEST_CASE("verify: fp16 takes what either arithmetic gives") {
    for (const Activation activation : kActivations) {
        INFO(name_of(activation));
        for (const bool f16_arithmetic : {false, true}) {
            CAPTURE(f16_arithmetic);
            for_each_row("verify fp16", [&](const Operands& operands) {
                const Epilogue epilogue{static_cast<double>(operands.bias), activation};
                const float found = fp16_kernel(operands, activation, f16_arithmetic);
                CHECK(is_within(static_cast<double>(found),
                                fp16_output(operands.x, operands.w, epilogue, f16_arithmetic)));
            });
        }
    }
}

TEST_CASE("verify: fp16 does not take a result without its largest product, its bias or its activation") {
    for_each_row("verify fp16 wrong", [](const Operands& operands) {
        const std::size_t k = operands.x.size();
        if (k > 128) return;  // one product among many is within the worst case
        Operands dropped = operands;
        const auto product = [&](std::size_t i) { return std::fabs(operands.x[i] * operands.w[i]); };
        std::size_t largest = 0;
        for (std::size_t i = 1; i < k; i++) {
            if (product(i) > product(largest)) largest = i;
        }
        dropped.x[largest] = 0;
        const Epilogue epilogue{static_cast<double>(operands.bias), Activation::kNone};
        const Bounded expected = fp16_output(operands.x, operands.w, epilogue, false);
        CHECK_FALSE(is_within(static_cast<double>(fp16_kernel(dropped, Activation::kNone, false)), expected));

        Operands unbiased = operands;
        unbiased.bias += 0.1f;
        CHECK_FALSE(is_within(static_cast<double>(fp16_kernel(unbiased, Activation::kNone, false)), expected));
        CHECK_FALSE(is_within(expected.value - 1, fp16_output(operands.x, operands.w, epilogue, true)));
    });
}

TEST_CASE("verify: the unquantized layer") {
    const std::vector<float> x = {1, 2, -3}, w = {0.5f, 4, 2};
    CHECK(exact_output(x, w, {}) == 2.5);
    CHECK(exact_output(x, w, {.bias = -3, .activation = Activation::kNone}) == -0.5);
    CHECK(exact_output(x, w, {.bias = -3, .activation = Activation::kRelu}) == 0);
    CHECK(exact_output(x, w, {.bias = -3, .activation = Activation::kGelu}) == Approx(-0.15426876936).epsilon(1e-9));
    CHECK(exact_output(x, w, {.bias = -3, .activation = Activation::kSilu}) == Approx(-0.18877033440).epsilon(1e-9));
    CHECK(exact_output(x, w, {.bias = -3, .activation = Activation::kRelu6}) == 0);
    CHECK(exact_output(x, w, {.bias = 5, .activation = Activation::kRelu6}) == 6);
    CHECK(exact_output(x, w, {.bias = -3, .activation = Activation::kHardswish}) == Approx(-0.5 * 2.5 / 6));
    CHECK(exact_output(x, w, {.bias = -3, .activation = Activation::kGeluTanh}) ==
          Approx(-0.25 * (1 - std::tanh(0.79788456080 * (0.5 + 0.044715 / 8)))).epsilon(1e-9));
    CHECK(exact_output(x, w, {.bias = -3, .activation = Activation::kQuickGelu}) ==
          Approx(-0.5 / (1 + std::exp(0.851))).epsilon(1e-9));
}
