// How far the fp16 path may be from the double result: worst cases, derived in docs/quantization.md ("fp16"), not
// fitted to a kernel.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include "octile/types.h"
#include "tests/reference/linear.h"

namespace octile::reference {

enum class Fp16Arithmetic {
    kF16,  // chunks of at most f16_chunk fused multiply-adds in f16, each chunk added to an f32 accumulator
    kF32,  // operands converted to f32, products summed in f32 in any order, fused or not
};

constexpr double f16_unit = 0x1p-11;  // half an ulp of 1
constexpr double f32_unit = 0x1p-24;
constexpr double f16_underflow = 0x1p-25;  // half the smallest subnormal
constexpr double bf16_unit = 0x1p-8;
constexpr double bf16_underflow = 0x1p-134;
constexpr double bf16_overflow = 0x1.ffp+127;  // from here on rounding gives infinity
constexpr double f16_overflow = 65520;         // from here on rounding gives infinity

// The bound for `roundings` successive relative errors of at most `unit`.
constexpr double gamma(double roundings, double unit) {
    return roundings * unit / (1 - roundings * unit);
}

// The largest |f32 accumulator - sum of x * w| for an output with these sums of |x * w|, or infinity where a chunk may
// overflow f16.
inline double accumulator_tolerance(const ExactOutput& exact, std::size_t k, Fp16Arithmetic arithmetic) {
    const double steps = static_cast<double>(k);
    const double sum_error = gamma(steps + 1, f32_unit);
    if (arithmetic == Fp16Arithmetic::kF32) return sum_error * exact.magnitude;

    const double chunk_steps = static_cast<double>(k < f16_chunk ? k : f16_chunk);
    const double chunk_error = gamma(chunk_steps, f16_unit);
    const double largest = (1 + chunk_error) * (exact.largest_chunk + chunk_steps * f16_underflow);
    if (largest >= f16_overflow) return std::numeric_limits<double>::infinity();
    const double chunks = chunk_error * exact.magnitude + (1 + chunk_error) * steps * f16_underflow;
    return chunks + sum_error * (exact.magnitude + chunks);
}

// The steepest slope of any activation is hardswish's, 1.5; the f32 sequences stay within this of the exact function.
inline double activation_tolerance(double y) {
    return 8 * 0x1p-23 * std::abs(y) + 1e-7;
}

// The largest |y - exact y| after bias, activation and conversion to the output type (f32, f16 or bf16), for an exact
// pre-activation value v that the accumulator is within `tolerance` of; `y` is the exact activation of v.
inline double output_tolerance(double tolerance, double v, double y, Activation activation, DataType out) {
    double error = tolerance + f32_unit * (std::abs(v) + tolerance);
    if (activation != Activation::kNone) error = 1.5 * error + activation_tolerance(std::abs(y) + 1.5 * error);
    if (out == DataType::kBF16) {
        // Its exponents are f32's: nothing that f32 holds with room to spare overflows.
        if (std::abs(y) + error >= bf16_overflow) return std::numeric_limits<double>::infinity();
        error += bf16_unit * (std::abs(y) + error) + bf16_underflow;
    }
    if (out == DataType::kF16) {
        if (std::abs(y) + error >= f16_overflow) return std::numeric_limits<double>::infinity();
        error += f16_unit * (std::abs(y) + error) + f16_underflow;
    }
    return error;
}

}  // namespace octile::reference
