// The activations of docs/quantization.md, one scalar operation per line of the page. Bit-exact: compile with
// -ffp-contract=off.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "octile/types.h"

namespace octile::reference {

// max and min as the page has them: a NaN in x stays (maximum) and which zero comes out never matters, as no bound is
// zero.
inline float maximum(float x, float low) {
    return x < low ? low : x;
}
inline float minimum(float x, float high) {
    return x > high ? high : x;
}

// exp(-v) for -88 <= v <= 87; garbage, but no undefined behaviour, outside.
inline float exp_minus(float v) {
    const float t = v * -0x1.715476p+0f;
    // Adding 1.5 * 2^23 leaves round(t), ties to even, in the low mantissa bits.
    const float shifted = t + 0x1.8p+23f;
    const float n = shifted - 0x1.8p+23f;
    const std::uint32_t exponent = std::bit_cast<std::uint32_t>(shifted) << 23;
    const float r = (v + n * 0x1.62e4p-1f) + n * 0x1.7f7d1cp-20f;
    float q = r * -0x1.10bc5ap-7f + 0x1.573734p-5f;
    q = q * r + -0x1.555712p-3f;
    q = q * r + 0x1.fffdd2p-2f;
    const float p = 1.0f + (q * (r * r) - r);
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + exponent);
}

inline float relu(float x) {
    return x > 0.0f ? x : 0.0f;
}

inline float relu6(float x) {
    return minimum(relu(x), 6.0f);
}

inline float hardswish(float x) {
    const float low = maximum(x, -3.0f);
    return low * (minimum(low + 3.0f, 6.0f) * 0x1.555556p-3f);
}

inline float gelu(float x) {
    const float low = maximum(x, -6.0f);
    const float c = minimum(low, 6.0f);
    const float t = c * c;
    float p = t * 0x1.2964d0p-33f + 0x1.69c12ap-28f;
    p = p * t + -0x1.21ab4cp-19f;
    p = p * t + 0x1.61e070p-13f;
    p = p * t + -0x1.e19626p-8f;
    p = p * t + 0x1.ee0688p-3f;
    const float v = c * p;
    const float u = v * (0x1.639df2p+0f - v * v);
    const float w = u + 0x1.428a2ep-1f;
    const float z = 0x1.428a30p+0f - u;
    return low * ((w * z) * w);
}

inline float silu(float x) {
    const float low = maximum(x, -86.0f);
    return low / (1.0f + exp_minus(minimum(low, 86.0f)));
}

inline float quick_gelu(float x) {
    const float low = maximum(x, -50.0f);
    return low / (1.0f + exp_minus(minimum(low * 0x1.b3b646p+0f, 86.0f)));
}

inline float gelu_tanh(float x) {
    const float low = maximum(x, -9.875f);
    const float v = low * ((low * low) * 0x1.2444f2p-4f + 0x1.988454p+0f);
    return low / (1.0f + exp_minus(minimum(v, 86.0f)));
}

inline float activate(Activation activation, float x) {
    switch (activation) {
        case Activation::kNone:
            return x;
        case Activation::kRelu:
            return relu(x);
        case Activation::kRelu6:
            return relu6(x);
        case Activation::kHardswish:
            return hardswish(x);
        case Activation::kGelu:
            return gelu(x);
        case Activation::kGeluTanh:
            return gelu_tanh(x);
        case Activation::kQuickGelu:
            return quick_gelu(x);
        case Activation::kSilu:
            return silu(x);
    }
    return std::nanf("");
}

// The functions themselves, in double.
namespace exact {

inline double relu(double x) {
    return x > 0 ? x : 0;
}
inline double relu6(double x) {
    return std::fmin(relu(x), 6);
}
inline double hardswish(double x) {
    return x * (std::fmin(std::fmax(x + 3, 0), 6) / 6);
}
inline double gelu(double x) {
    return x * (0.5 * std::erfc(-x / 1.4142135623730951));
}
inline double silu(double x) {
    return x / (1 + std::exp(-x));
}
inline double quick_gelu(double x) {
    return x / (1 + std::exp(-1.702 * x));
}
// 0.5 (1 + tanh(v)) is 1 / (1 + exp(-2 v)), without the cancellation.
inline double gelu_tanh(double x) {
    return x / (1 + std::exp(-2 * 0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

inline double activate(Activation activation, double x) {
    switch (activation) {
        case Activation::kNone:
            return x;
        case Activation::kRelu:
            return relu(x);
        case Activation::kRelu6:
            return relu6(x);
        case Activation::kHardswish:
            return hardswish(x);
        case Activation::kGelu:
            return gelu(x);
        case Activation::kGeluTanh:
            return gelu_tanh(x);
        case Activation::kQuickGelu:
            return quick_gelu(x);
        case Activation::kSilu:
            return silu(x);
    }
    return std::nan("");
}

}  // namespace exact

}  // namespace octile::reference
