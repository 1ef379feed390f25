// Elementary functions with the same bits on every CPU.
#pragma once

#include <cmath>

namespace octile {

// The library functions of C differ in their last bits; these are additions, multiplications and divisions of binary64
// in one order. Their errors are some 1e-15 of the result, beside which a binary32 is coarse.

inline constexpr double kLn2 = 0x1.62e42fefa39efp-1;

// x > 0.
inline double logarithm(double x) {
    int exponent = 0;
    double m = std::frexp(x, &exponent);  // exact
    if (m < 0.7071067811865476) {
        m *= 2;
        exponent--;
    }
    // ln m = 2 artanh(s)
    const double s = (m - 1) / (m + 1), t = s * s;
    double sum = 0;
    for (int term = 41; term >= 1; term -= 2)
        sum = sum * t + 1.0 / term;
    return exponent * kLn2 + 2 * s * sum;
}

inline double exponential(double x) {
    const double n = std::nearbyint(x / kLn2), r = x - n * kLn2;
    double sum = 1;
    for (int term = 24; term >= 1; term--)
        sum = 1 + sum * r / term;
    return std::ldexp(sum, static_cast<int>(n));  // exact
}

// In binary64, and rounded once: within an ulp or so of the exact one. A NaN stays one.
inline float hyperbolic_tangent(float x) {
    const double size = std::abs(static_cast<double>(x));
    // 1 - t would cancel; the series' next term is below 1e-14 of this.
    if (size < 0x1p-12) return static_cast<float>(static_cast<double>(x) * (1 - size * size / 3));
    if (size > 20) return std::copysign(1.0f, x);
    if (!(size <= 20)) return x;
    const double t = exponential(-2 * size);
    return std::copysign(static_cast<float>((1 - t) / (1 + t)), x);
}

}  // namespace octile
