// What follows a linear layer's sum and bias, on a block of results that is still in the cache:
//
//   y[n, m] = act(z[n, m])                        combine=none
//   y[n, m] = act(z[n, m]) + other[n, m]          combine=residual    other of y's type; f32 where y is int8
//   y[n, m] = act(other[n, m]) * z[n, m]          combine=gate        other f32: SwiGLU, GeGLU
//
// z [N, M]  f32, what a GEMM wrote
// y [N, M]  f32, f16, bf16, rounded to nearest even, or int8: rne(v * output_scale), saturated to -127..127; NaN is
// -127
//
// `activation` is chosen at run time, `low` and `high` are the bounds of the clamp. docs/kernels.md says why this is
// not part of the GEMM.
#include "Halide.h"
#include "activation.h"
#include "rounding.h"

namespace {

using namespace Halide;
using namespace octile::generators;
using Halide::ConciseCasts::f32;

enum class Combine { kNone, kResidual, kGate };

class Epilogue : public Generator<Epilogue> {
  public:
    GeneratorParam<int> lanes{"lanes", 4};
    GeneratorParam<Type> out_type{"out_type", Float(32)};
    GeneratorParam<Combine> combine{
        "combine",
        Combine::kNone,
        {{"none", Combine::kNone}, {"residual", Combine::kResidual}, {"gate", Combine::kGate}}};

    Input<Buffer<float, 2>> z_{"z"};
    GeneratorInput<Buffer<>>* other_ = nullptr;
    Input<int32_t> activation_{"activation"};
    Input<float> low_{"low"};
    Input<float> high_{"high"};
    Input<float> output_scale_{"output_scale"};
    Output<Buffer<void, 2>> y_{"y"};

    void configure() {
        y_.set_type(out_type);
        if (combine == Combine::kNone) return;
        const Type type = out_type;
        other_ = add_input<Buffer<>>("other", combine == Combine::kGate || type == Int(8) ? Float(32) : type, 2);
    }

    void generate() {
        Expr z = z_(n, m);
        Expr argument = combine == Combine::kGate ? f32((*other_)(n, m)) : z;
        Expr v = argument;
        for (const ActivationCode& code : activation_codes())
            v = select(activation_ == code.value, activate(get_target(), code.activation, argument, low_, high_), v);
        if (combine == Combine::kResidual) v = strict_float(v + f32((*other_)(n, m)));
        if (combine == Combine::kGate) v = strict_float(v * z);
        y_(n, m) = to_output(v);
    }

    void schedule() {
        Func out = y_;
        Var no, ni;
        out.split(n, no, ni, lanes, TailStrategy::GuardWithIf).vectorize(ni);
        for (const ActivationCode& code : activation_codes())
            out.specialize(activation_ == code.value);
        out.specialize_fail("activation: an unknown code");
        z_.dim(0).set_min(0);
        z_.dim(1).set_min(0);
        if (other_) {
            other_->dim(0).set_min(0);
            other_->dim(1).set_min(0);
        }
        y_.dim(0).set_min(0);
        y_.dim(1).set_min(0);
    }

  private:
    Expr to_output(const Expr& v) {
        const Type type = y_.type();
        if (type != Int(8)) return round_to(type, v);
        Expr level = strict_float(v * output_scale_);
        level = select(level > -127.0f, level, -127.0f);
        level = select(level < 127.0f, level, 127.0f);
        return cast<int8_t>(reinterpret<int32_t>(strict_float(level + 0x1.8p+23f)));
    }

    Var m{"m"}, n{"n"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Epilogue, epilogue)
