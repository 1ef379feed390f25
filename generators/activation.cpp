#include "activation.h"

#include <array>
#include <initializer_list>

namespace octile::generators {

using namespace Halide;

namespace {

// The page's max, with a bound that is neither zero nor NaN: NaN in x stays NaN. Arm's fmax does that in either order;
// x86's maxps only with x as its second operand, which is how a select is compiled and not how max is.
Expr at_least(const Target& target, const Expr& x, float bound) {
    return target.arch == Target::ARM ? max(x, bound) : select(x < bound, bound, x);
}
Expr at_most(const Expr& x, float bound) {
    return min(x, bound);
}

// ((c0 * t + c1) * t + c2) ..., rounded after every step.
Expr horner(const Expr& t, std::initializer_list<float> coefficients) {
    Expr sum;
    for (float coefficient : coefficients)
        sum = sum.defined() ? sum * t + coefficient : Expr(coefficient);
    return sum;
}

}  // namespace

Expr exp_minus(const Expr& v) {
    // Adding 1.5 * 2^23 leaves the integer nearest to m in the low bits, ties to even.
    const float kRounder = 0x1.8p+23f;
    Expr biased = v * -0x1.715476p+0f + kRounder;
    Expr n = biased - kRounder;
    Expr r = (v + n * 0x1.62e4p-1f) + n * 0x1.7f7d1cp-20f;
    Expr q = horner(r, {-0x1.10bc5ap-7f, 0x1.573734p-5f, -0x1.555712p-3f, 0x1.fffdd2p-2f});
    Expr p = (q * (r * r) - r) + 1.0f;
    return reinterpret<float>(reinterpret<int32_t>(p) + (reinterpret<int32_t>(biased) << 23));
}

namespace {

Expr gelu(const Target& target, const Expr& x) {
    Expr low = at_least(target, x, -6.0f);
    Expr c = at_most(low, 6.0f);
    Expr v = c * horner(c * c, {0x1.2964d0p-33f, 0x1.69c12ap-28f, -0x1.21ab4cp-19f, 0x1.61e070p-13f, -0x1.e19626p-8f,
                                0x1.ee0688p-3f});
    Expr u = v * (0x1.639df2p+0f - v * v);
    Expr w = u + 0x1.428a2ep-1f;
    return low * (w * (0x1.428a30p+0f - u) * w);
}

// x / (1 + exp(-v))
Expr logistic_product(const Expr& x, const Expr& v) {
    return x / (1.0f + exp_minus(v));
}

Expr hardswish(const Target& target, const Expr& x) {
    Expr low = at_least(target, x, -3.0f);
    return low * (at_most(low + 3.0f, 6.0f) * 0x1.555556p-3f);
}

Expr silu(const Target& target, const Expr& x) {
    Expr low = at_least(target, x, -86.0f);
    return logistic_product(low, at_most(low, 86.0f));
}

Expr quick_gelu(const Target& target, const Expr& x) {
    Expr low = at_least(target, x, -50.0f);
    return logistic_product(low, at_most(low * 0x1.b3b646p+0f, 86.0f));
}

Expr gelu_tanh(const Target& target, const Expr& x) {
    Expr low = at_least(target, x, -9.875f);
    return logistic_product(low, at_most(low * ((low * low) * 0x1.2444f2p-4f + 0x1.988454p+0f), 86.0f));
}

Expr relu(const Expr& x) {
    return select(x > 0.0f, x, 0.0f);
}

}  // namespace

std::span<const ActivationCode> activation_codes() {
    static const std::array<ActivationCode, 9> codes = {{{Activation::kNone, 0},
                                                         {Activation::kRelu, 1},
                                                         {Activation::kRelu6, 2},
                                                         {Activation::kHardswish, 3},
                                                         {Activation::kGelu, 4},
                                                         {Activation::kGeluTanh, 5},
                                                         {Activation::kQuickGelu, 6},
                                                         {Activation::kSilu, 7},
                                                         {Activation::kClamp, 8}}};
    return codes;
}

Expr activate(const Target& target, Activation activation, const Expr& x, const Expr& low, const Expr& high) {
    switch (activation) {
        case Activation::kNone:
            return x;
        case Activation::kRelu:
            return strict_float(relu(x));
        case Activation::kRelu6:
            return strict_float(at_most(relu(x), 6.0f));
        case Activation::kHardswish:
            return strict_float(hardswish(target, x));
        case Activation::kGelu:
            return strict_float(gelu(target, x));
        case Activation::kGeluTanh:
            return strict_float(gelu_tanh(target, x));
        case Activation::kQuickGelu:
            return strict_float(quick_gelu(target, x));
        case Activation::kSilu:
            return strict_float(silu(target, x));
        case Activation::kClamp:
            return strict_float(select(x < low, low, select(x > high, high, x)));
    }
    return x;
}

}  // namespace octile::generators
