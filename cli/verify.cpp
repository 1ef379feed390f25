#include "cli/verify.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace octile::cli {
namespace {

constexpr double kUnitF32 = 0x1p-24, kUnitF16 = 0x1p-11;  // unit roundoff: half the distance from 1 to the next number
constexpr double kTinyF16 = 0x1p-25;                      // half the smallest subnormal

// Steps of K that are added up in f16 before they go to f32 (GeneratorParam `chunk` of gemm_f16).
constexpr double kChunk = 128;

double activate(Activation activation, double z) {
    switch (activation) {
        case Activation::kNone:
            return z;
        case Activation::kRelu:
            return z > 0 ? z : 0;
        case Activation::kRelu6:
            return std::fmin(std::fmax(z, 0), 6);
        case Activation::kHardswish:
            return z * std::fmin(std::fmax(z + 3, 0), 6) / 6;
        case Activation::kGelu:
            return 0.5 * z * std::erfc(-z / std::sqrt(2.0));
        case Activation::kGeluTanh:
            // 0.5 z (1 + tanh(v / 2)), without the cancellation.
            return z / (1 + std::exp(-2 * std::sqrt(2 / std::numbers::pi) * (z + 0.044715 * z * z * z)));
        case Activation::kQuickGelu:
            return z / (1 + std::exp(-1.702 * z));
        case Activation::kSilu:
            return z / (1 + std::exp(-z));
    }
    return z;
}

// The activation of a value known to within `tolerance`: none has a slope beyond 1.5 (hardswish below 3), and
// docs/quantization.md bounds the error of their sequences by less than 2^-20 of the larger of 1 and the result.
Bounded activate(Activation activation, Bounded z) {
    if (activation == Activation::kNone) return z;
    constexpr double kSteepest = 1.5, kSequenceError = 0x1p-20;
    const double value = activate(activation, z.value);
    return {value, kSteepest * z.tolerance + kSequenceError * std::max(1.0, std::fabs(value))};
}

// A span of doubles or floats times another, in double. Eight sums at once, for the vector unit.
template <typename T>
double dot(std::span<const T> a, std::span<const T> b) {
    constexpr std::size_t kLanes = 8;
    double lanes[kLanes] = {};
    std::size_t i = 0;
    for (; i + kLanes <= a.size(); i += kLanes) {
        for (std::size_t lane = 0; lane < kLanes; lane++)
            lanes[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
    for (; i < a.size(); i++)
        lanes[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    double sum = 0;
    for (const double lane : lanes)
        sum += lane;
    return sum;
}

float absmax_of(std::span<const float> values) {
    float absmax = 1e-8f;
    for (const float value : values)
        absmax = std::max(absmax, std::fabs(value));
    return absmax;
}

}  // namespace

double exact_output(std::span<const float> x, std::span<const float> w, const Epilogue& epilogue) {
    return activate(epilogue.activation, dot(x, w) + epilogue.bias);
}

Quantized quantize_row(std::span<const float> x) {
    const float absmax = absmax_of(x), inverse = 127.0f / absmax;
    Quantized quantized{.values = {}, .scale = static_cast<double>(absmax / 127.0f)};
    for (const float value : x)
        quantized.values.push_back(static_cast<double>(std::nearbyint(value * inverse)));
    return quantized;
}

Quantized quantize_channel(std::span<const float> w) {
    const float scale = absmax_of(w) / 127.0f;
    Quantized quantized{.values = {}, .scale = static_cast<double>(scale)};
    for (const float value : w)
        quantized.values.push_back(static_cast<double>(std::clamp(std::nearbyint(value / scale), -128.0f, 127.0f)));
    return quantized;
}

Quantized quantize_static(std::span<const float> x, float scale) {
    const float inverse = 1.0f / scale;
    Quantized quantized{.values = {}, .scale = static_cast<double>(scale)};
    for (const float value : x)
        quantized.values.push_back(static_cast<double>(std::nearbyint(std::clamp(value * inverse, -127.0f, 127.0f))));
    return quantized;
}

Quantized quantize_asymmetric(std::span<const float> x) {
    float low = 0, high = 0;
    for (const float value : x) {
        low = std::min(low, value);
        high = std::max(high, value);
    }
    const float range = std::max(high - low, 1e-8f), inverse = 255.0f / range;
    const float zero_point = std::clamp(-128.0f - std::nearbyint(low * inverse), -128.0f, 127.0f);
    Quantized quantized{.values = {}, .scale = static_cast<double>(range / 255.0f)};
    for (const float value : x) {
        const float level = std::clamp(std::nearbyint(value * inverse) + zero_point, -128.0f, 127.0f);
        quantized.values.push_back(static_cast<double>(level - zero_point));
    }
    return quantized;
}

bool is_within(double found, const Bounded& expected) {
    if (std::isinf(found)) {
        constexpr double kLargestF32 = std::numeric_limits<float>::max();
        return std::copysign(1.0, found) * expected.value + expected.tolerance > kLargestF32;
    }
    return std::fabs(found - expected.value) <= expected.tolerance;  // false for NaN
}

Bounded int8_output(const Quantized& x, const Quantized& w, const Epilogue& epilogue) {
    const double accumulator = dot<double>(x.values, w.values);  // integers below 2^31: exact
    const double product = accumulator * x.scale * w.scale, z = product + epilogue.bias;
    // Roundings: the accumulator to f32, the product of the scales, their product, and the sum.
    return activate(epilogue.activation, {z, 3.01 * kUnitF32 * std::fabs(product) + 1.01 * kUnitF32 * std::fabs(z)});
}

Bounded fp16_output(std::span<const float> x, std::span<const float> w, const Epilogue& epilogue, bool f16_arithmetic) {
    double magnitude = 0, operands = 0;
    for (std::size_t k = 0; k < x.size(); k++) {
        magnitude += std::fabs(static_cast<double>(x[k]) * static_cast<double>(w[k]));
        operands += std::fabs(static_cast<double>(x[k])) + std::fabs(static_cast<double>(w[k]));
    }
    const double terms = static_cast<double>(x.size()), z = dot(x, w) + epilogue.bias;
    // Both operands are rounded to f16. Then a product takes part in at most kChunk roundings in f16 and one per chunk
    // in f32, or in K roundings in f32.
    const double rounding = f16_arithmetic ? kUnitF16 * (std::min(terms, kChunk) + 1) + kUnitF32 * (terms / kChunk + 4)
                                           : kUnitF32 * (terms + 4);
    const double relative = 2.01 * kUnitF16 + 1.07 * rounding;
    const double underflow = kTinyF16 * (operands + (f16_arithmetic ? terms : 0));
    return activate(epilogue.activation, {z, relative * magnitude + underflow + 1.01 * kUnitF32 * std::fabs(z)});
}

}  // namespace octile::cli
