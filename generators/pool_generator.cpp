// The mean of the rows of one sequence:
//
//   y[k] = (sum over m of x[k, m]) / f32(M)      m from the first to the last, starting from 0
//
// x [K, M], y [K]   f32
#include "Halide.h"

namespace {

using namespace Halide;
using Halide::ConciseCasts::f32;

class Pool : public Generator<Pool> {
  public:
    GeneratorParam<int> lanes{"lanes", 4};

    Input<Buffer<float, 2>> x_{"x"};
    Output<Buffer<float, 1>> y_{"y"};

    void generate() {
        rows = RDom(0, x_.dim(1).extent());
        sum(k) = 0.0f;
        sum(k) = strict_float(sum(k) + x_(k, rows));
        y_(k) = strict_float(sum(k) / f32(x_.dim(1).extent()));
    }

    void schedule() {
        Func y = y_;
        Var out, in;
        const int vector = lanes;
        y.split(k, out, in, vector, TailStrategy::GuardWithIf).vectorize(in);
        sum.compute_at(y, out).vectorize(k, vector, TailStrategy::GuardWithIf);
        sum.update().reorder(k, rows).vectorize(k, vector, TailStrategy::GuardWithIf);
        x_.dim(0).set_min(0);
        x_.dim(1).set_min(0);
        y_.dim(0).set_min(0);
    }

  private:
    Var k{"k"};
    RDom rows;
    Func sum{"sum"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Pool, pool)
