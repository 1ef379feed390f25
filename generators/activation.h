// The activation functions. Their arithmetic is normative: docs/quantization.md.
#pragma once

#include <span>

#include "Halide.h"

namespace octile::generators {

enum class Activation { kNone, kRelu, kRelu6, kHardswish, kGelu, kGeluTanh, kQuickGelu, kSilu, kClamp };

// The number that a kernel is given for an activation at run time; runtime/epilogue.cpp has the same.
struct ActivationCode {
    Activation activation;
    int value;
};
std::span<const ActivationCode> activation_codes();

// act(x) in binary32, as one fixed sequence of operations that the compiler neither reorders nor contracts. `low` and
// `high` are read by kClamp alone.
Halide::Expr activate(const Halide::Target& target, Activation activation, const Halide::Expr& x,
                      const Halide::Expr& low, const Halide::Expr& high);

// exp(-v) for -88 <= v <= 87, the same way. Under strict_float alone: its steps are not marked one by one.
Halide::Expr exp_minus(const Halide::Expr& v);

}  // namespace octile::generators
