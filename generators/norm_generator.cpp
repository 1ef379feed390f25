// Layer norm and RMS norm of rows, with an optional addition before:
//
//   v[k, m] = x[k, m]                            or, with add, rounded to x's type: sum[k, m] = x[k, m] + residual[k,
//   m] layernorm: y = (v - mean) * (1 / sqrt(variance + epsilon)) * weight + bias rmsnorm:   y = v * (1 / sqrt(mean
//   square + epsilon)) * weight
//
// x, residual, sum [K, M]    f32, f16 or bf16
// weight, bias [K]           f32; bias only of layernorm
// y [K, M]                   f32; other types, and int8 panels, are made from it by the epilogue and quantize kernels
// while it is
//                            in the cache
//
// The sums over k have one order on every target: lane j adds up the elements k with k % 16 == j, first to last, and
// the lanes are added in halves, j to j + 8, j to j + 4, ... (docs/quantization.md).
#include "Halide.h"
#include "lane_sum.h"
#include "rounding.h"

namespace {

using namespace Halide;
using namespace octile::generators;
using Halide::ConciseCasts::f32;

class Norm : public Generator<Norm> {
  public:
    GeneratorParam<int> lanes{"lanes", 4};
    GeneratorParam<Type> x_type{"x_type", Float(32)};
    GeneratorParam<bool> rms{"rms", false};
    GeneratorParam<bool> add{"add", false};

    Input<Buffer<void, 2>> x_{"x"};
    Input<Buffer<float, 1>> weight_{"weight"};
    Input<float> epsilon_{"epsilon"};
    GeneratorInput<Buffer<float, 1>>* bias_ = nullptr;
    GeneratorInput<Buffer<>>* residual_ = nullptr;
    Output<Buffer<float, 2>> y_{"y"};
    GeneratorOutput<Buffer<>>* sum_ = nullptr;

    void configure() {
        const Type type = x_type;
        x_.set_type(type);
        if (!rms) bias_ = add_input<Buffer<float, 1>>("bias");
        if (!add) return;
        residual_ = add_input<Buffer<>>("residual", type, 2);
        sum_ = add_output<Buffer<>>("sum", type, 2);
    }

    void generate() {
        extent_ = x_.dim(0).extent();
        Func padded;
        if (add) {
            Func sum = *sum_;
            sum(k, m) = round_to(x_.type(), strict_float(f32(x_(k, m)) + f32((*residual_)(k, m))));
            padded = BoundaryConditions::constant_exterior(sum, cast(x_.type(), 0), {{0, extent_}, {Expr(), Expr()}});
        } else {
            padded = BoundaryConditions::constant_exterior(x_, cast(x_.type(), 0), {{0, extent_}, {Expr(), Expr()}});
        }
        v(k, m) = f32(padded(k, m));
        lane_steps = RDom(0, (extent_ + kSumLanes - 1) / kSumLanes);

        Expr centred = v(k, m);
        if (!rms) {
            mean(m) = strict_float(total(first, v(at(), m)) / f32(extent_));
            centred = strict_float(v(k, m) - mean(m));
        }
        Expr deviation = rms ? v(at(), m) : strict_float(v(at(), m) - mean(m));
        Expr square = strict_float(deviation * deviation);
        // What pads v is zero; less the mean it is not.
        Expr mean_square = total(second, rms ? square : select(at() < extent_, square, 0.0f)) / f32(extent_);
        inverse(m) = strict_float(1.0f / sqrt(mean_square + epsilon_));
        Expr normal = centred * inverse(m) * weight_(k);
        y_(k, m) = strict_float(rms ? normal : normal + (*bias_)(k));
    }

    void schedule() {
        Func out = y_;
        Var ko, ki;
        out.split(k, ko, ki, lanes, TailStrategy::GuardWithIf).vectorize(ki);
        for (Func* lane_sum : {&first, &second}) {
            if (!lane_sum->defined()) continue;
            lane_sum->compute_at(out, m).bound_extent(j, kSumLanes).vectorize(j);
            lane_sum->update().reorder(j, lane_steps).vectorize(j);
        }
        if (!rms) mean.compute_at(out, m);
        inverse.compute_at(out, m);
        for (Func* once : {&mean, &inverse}) {
            if (once->defined()) once->store_in(MemoryType::Stack);
        }
        if (add) {
            Func sum = *sum_;
            sum.split(k, ko, ki, lanes, TailStrategy::GuardWithIf).vectorize(ki);
            zero_mins(*residual_);
            zero_mins(*sum_);
        }
        zero_mins(x_);
        zero_mins(y_);
        weight_.dim(0).set_min(0);
        if (bias_) bias_->dim(0).set_min(0);
    }

  private:
    template <typename Matrix>
    static void zero_mins(Matrix& matrix) {
        matrix.dim(0).set_min(0);
        matrix.dim(1).set_min(0);
    }

    // The element that lane j takes in a step.
    Expr at() const { return j + kSumLanes * lane_steps; }

    // The sum of `term`, an expression in at() and m, in the order that the header comment has.
    Expr total(Func& lane_sum, const Expr& term) {
        lane_sum(j, m) = 0.0f;
        lane_sum(j, m) = strict_float(lane_sum(j, m) + term);
        return in_halves(lane_sum, m, [](const Expr& a, const Expr& b) { return a + b; });
    }

    Var k{"k"}, m{"m"}, j{"j"};
    RDom lane_steps;
    Expr extent_;
    Func v{"v"}, first{"first"}, second{"second"}, mean{"mean"}, inverse{"inverse"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Norm, norm)
