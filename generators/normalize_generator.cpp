// Rows divided by their length:
//
//   y[k, m] = x[k, m] / max(sqrt(sum over k of x[k, m] * x[k, m]), epsilon)
//
// The sum over k in sixteen lanes (lane_sum.h). max(a, b) = a > b ? a : b for the length a: a NaN gives epsilon and
// y is NaN where x is.
//
// x, y [K, M]   f32
#include "Halide.h"
#include "lane_sum.h"

namespace {

using namespace Halide;
using namespace octile::generators;

class Normalize : public Generator<Normalize> {
  public:
    GeneratorParam<int> lanes{"lanes", 4};

    Input<Buffer<float, 2>> x_{"x"};
    Input<float> epsilon_{"epsilon"};
    Output<Buffer<float, 2>> y_{"y"};

    void generate() {
        const Expr extent = x_.dim(0).extent();
        const Func padded = BoundaryConditions::constant_exterior(x_, 0.0f, {{0, extent}, {Expr(), Expr()}});
        steps = RDom(0, (extent + kSumLanes - 1) / kSumLanes);
        const Expr value = padded(j + kSumLanes * steps, m);
        sum(j, m) = 0.0f;
        sum(j, m) = strict_float(sum(j, m) + value * value);
        const Expr length = strict_float(sqrt(in_halves(sum, m, [](const Expr& a, const Expr& b) { return a + b; })));
        divisor(m) = select(length > epsilon_, length, epsilon_);
        y_(k, m) = strict_float(x_(k, m) / divisor(m));
    }

    void schedule() {
        Func y = y_;
        Var out, in;
        y.split(k, out, in, lanes, TailStrategy::GuardWithIf).vectorize(in);
        divisor.compute_at(y, m).store_in(MemoryType::Stack);
        sum.compute_at(y, m).bound_extent(j, kSumLanes).vectorize(j);
        sum.update().reorder(j, steps).vectorize(j);
        x_.dim(0).set_min(0);
        x_.dim(1).set_min(0);
        y_.dim(0).set_min(0);
        y_.dim(1).set_min(0);
    }

  private:
    Var k{"k"}, m{"m"}, j{"j"};
    RDom steps;
    Func sum{"sum"}, divisor{"divisor"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Normalize, normalize)
