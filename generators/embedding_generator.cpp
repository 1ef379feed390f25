// Rows of a table, for indices that the caller has checked:
//
//   y[k, m] = table[k, index[m]]                  combine=none
//   y[k, m] = sum[k, m] + table[k, index[m]]      combine=residual; y may be sum itself
//
// table [K, rows]   f32, f16 or bf16
// index [M]         int32
// sum, y [K, M]     f32
#include "Halide.h"

namespace {

using namespace Halide;
using Halide::ConciseCasts::f32;

class Embedding : public Generator<Embedding> {
  public:
    GeneratorParam<int> lanes{"lanes", 4};
    GeneratorParam<Type> x_type{"x_type", Float(32)};
    GeneratorParam<bool> add{"add", false};

    Input<Buffer<void, 2>> table_{"table"};
    Input<Buffer<int32_t, 1>> index_{"index"};
    GeneratorInput<Buffer<float, 2>>* sum_ = nullptr;
    Output<Buffer<float, 2>> y_{"y"};

    void configure() {
        table_.set_type(x_type);
        if (add) sum_ = add_input<Buffer<float, 2>>("sum");
    }

    void generate() {
        const Expr row = f32(table_(k, unsafe_promise_clamped(index_(m), 0, table_.dim(1).extent() - 1)));
        y_(k, m) = add ? strict_float((*sum_)(k, m) + row) : row;
    }

    void schedule() {
        Func y = y_;
        Var out, in;
        y.split(k, out, in, lanes, TailStrategy::GuardWithIf).vectorize(in);
        table_.dim(0).set_min(0);
        table_.dim(1).set_min(0);
        index_.dim(0).set_min(0);
        y_.dim(0).set_min(0);
        y_.dim(1).set_min(0);
        if (!sum_) return;
        sum_->dim(0).set_min(0);
        sum_->dim(1).set_min(0);
    }

  private:
    Var k{"k"}, m{"m"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Embedding, embedding)
