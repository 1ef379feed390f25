// What one output of a linear layer should be, in double precision, and how far its kernel may be from that. Written
// from docs/quantization.md; shares nothing with the kernels.
#pragma once

#include <span>
#include <vector>

#include "octile/types.h"

namespace octile::cli {

// What is done to the sum of products.
struct Epilogue {
    double bias = 0;
    Activation activation = Activation::kNone;
};

// act(x . w + bias) of the values as they are: what the network means.
double exact_output(std::span<const float> x, std::span<const float> w, const Epilogue& epilogue);

// The integers that a row or an output channel is rounded to, and their scale.
struct Quantized {
    std::vector<double> values;
    double scale = 0;
};
Quantized quantize_row(std::span<const float> x);
Quantized quantize_channel(std::span<const float> w);
// A row by a scale that is given; by its own range, what is multiplied: the levels less their zero point.
Quantized quantize_static(std::span<const float> x, float scale);
Quantized quantize_asymmetric(std::span<const float> x);

struct Bounded {
    double value;
    double tolerance;  // the most that roundings can add up to
};

// Whether a kernel's result is what is expected. Beyond the largest f32 that is an infinity.
bool is_within(double found, const Bounded& expected);

// The INT8 arithmetic, with the integers multiplied exactly.
Bounded int8_output(const Quantized& x, const Quantized& w, const Epilogue& epilogue);

// The FP16 arithmetic: operands rounded to f16, products added up in f16 for a chunk of steps at a time if
// `f16_arithmetic`, else in f32.
Bounded fp16_output(std::span<const float> x, std::span<const float> w, const Epilogue& epilogue, bool f16_arithmetic);

}  // namespace octile::cli
