// Puts the heads of projected rows where attention reads them, with or without a rotary embedding of their halves:
//
//   y[d, p, h, t] = x[d, p, h, t]                                              rotary=false
//   y[d, 0, h, t] = x[d, 0, h, t] * cos[d, t] - x[d, 1, h, t] * sin[d, t]      rotary=true
//   y[d, 1, h, t] = x[d, 1, h, t] * cos[d, t] + x[d, 0, h, t] * sin[d, t]
//
// x [D/2, 2, H, T]    f32; D, of which p tells the half, is a multiple of 16
// cos, sin [D/2, T]   f32
// y [D/2, 2, H, T]    f32, of any strides: queries stay as x has them, keys go into blocks with t side by side
#include "Halide.h"

namespace {

using namespace Halide;

class Heads : public Generator<Heads> {
  public:
    GeneratorParam<int> lanes{"lanes", 4};
    GeneratorParam<bool> rotary{"rotary", false};

    Input<Buffer<float, 4>> x_{"x"};
    GeneratorInput<Buffer<float, 2>>*cos_ = nullptr, *sin_ = nullptr;
    Output<Buffer<float, 4>> y_{"y"};

    void configure() {
        if (!rotary) return;
        cos_ = add_input<Buffer<float, 2>>("cos");
        sin_ = add_input<Buffer<float, 2>>("sin");
    }

    void generate() {
        if (!rotary) {
            y_(d, p, h, t) = x_(d, p, h, t);
            return;
        }
        const Expr low = x_(d, 0, h, t), high = x_(d, 1, h, t), c = (*cos_)(d, t), s = (*sin_)(d, t);
        y_(d, p, h, t) = select(p == 0, strict_float(low * c - high * s), strict_float(high * c + low * s));
    }

    void schedule() {
        Func y = y_;
        Var out, in;
        y.split(d, out, in, std::min<int>(lanes, kHalfUnit), TailStrategy::RoundUp)
            .reorder(in, p, out)
            .vectorize(in)
            .bound(p, 0, 2)
            .unroll(p);
        y_.dim(0).set_stride(Expr());
        for (int dimension = 0; dimension < 4; dimension++) {
            x_.dim(dimension).set_min(0);
            y_.dim(dimension).set_min(0);
        }
        for (auto* table : {cos_, sin_}) {
            if (!table) continue;
            table->dim(0).set_min(0);
            table->dim(1).set_min(0);
        }
    }

  private:
    static constexpr int kHalfUnit = 8;

    Var d{"d"}, p{"p"}, h{"h"}, t{"t"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Heads, heads)
