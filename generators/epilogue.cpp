#include "epilogue.h"

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

// exp(-v) for -88 <= v <= 87.
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

Expr gelu(const Target& target, const Expr& x) {
    Expr low = at_least(target, x, -6.0f);
    Expr c = at_most(low, 6.0f);
    Expr v = c * horner(c * c, {0x1.2964d0p-33f, 0x1.69c12ap-28f, -0x1.21ab4cp-19f, 0x1.61e070p-13f, -0x1.e19626p-8f,
                                0x1.ee0688p-3f});
    Expr u = v * (0x1.639df2p+0f - v * v);
    Expr w = u + 0x1.428a2ep-1f;
    return low * (w * (0x1.428a30p+0f - u) * w);
}

Expr silu(const Target& target, const Expr& x) {
    Expr low = at_least(target, x, -86.0f);
    return low / (1.0f + exp_minus(at_most(low, 86.0f)));
}

}  // namespace

const std::map<std::string, Activation>& activation_names() {
    static const std::map<std::string, Activation> names = {{"none", Activation::kNone},
                                                            {"relu", Activation::kRelu},
                                                            {"gelu", Activation::kGelu},
                                                            {"silu", Activation::kSilu}};
    return names;
}

Expr activate(const Target& target, Activation activation, const Expr& x) {
    switch (activation) {
        case Activation::kNone:
            return x;
        case Activation::kRelu:
            return strict_float(select(x > 0.0f, x, 0.0f));
        case Activation::kGelu:
            return strict_float(gelu(target, x));
        case Activation::kSilu:
            return strict_float(silu(target, x));
    }
    return x;
}

}  // namespace octile::generators
