// int8 quantization of rows, written straight into the packed panel that the GEMM reads.
//
// x      [K, R]                                     f32, f16, bf16, or, scaling=ready, int8
// panel  [k_block, tile, K' / k_block, R' / tile]   `panel_type`; zero beyond K, the last row repeated beyond R; with
//                                                   `single_row`, where R is 1, all of it that row
// Then, as `scaling` has it, one element per row of the panel, R' (1 with `single_row`):
//
//   dynamic     out scale f32, magnitude int32                 symmetric, from the row's absmax
//   static      in  input_scale f32; out magnitude             symmetric, saturated to -127..127
//   asymmetric  out scale, magnitude, low f32, high f32, zero_point int32
//   ready       nothing                                        x holds the levels
//
// magnitude: the bits of the row's absmax, at least 1e-8: NaN or infinity exactly if the row holds one. What is
// computed from such a row is unspecified. magnitude, low and high are outputs so that the caller provides their
// memory: a kernel allocates nothing.
//
// `weights=true`, with dynamic or ready: the rows are output channels, the rounding is that of weights, and column_sum
// [tile, R' / tile] int32 holds the sums of the levels. Formulas: docs/quantization.md.
#include "Halide.h"
#include "panels.h"

namespace {

using namespace Halide;
using namespace octile::generators;
using Halide::ConciseCasts::f32;
using Halide::ConciseCasts::i32;

enum class Scaling { kDynamic, kStatic, kAsymmetric, kReady };

// Adding 1.5 * 2^23 leaves the nearest integer, ties to even, in the low bits of the sum: one operation where rounding
// and converting take two.
constexpr float kRounder = 0x1.8p+23f;

Expr rounded_bits(const Expr& x) {
    return reinterpret<int32_t>(x + kRounder);
}
Expr rounded(const Expr& x) {
    return rounded_bits(x) - reinterpret<int32_t>(Expr(kRounder));
}

class Quantize : public Generator<Quantize> {
  public:
    GeneratorParam<int> tile{"tile", 8};
    GeneratorParam<int> k_block{"k_block", 4};
    // Elements of a row that are quantized at once; a multiple of k_block.
    GeneratorParam<int> vector{"vector", 16};
    GeneratorParam<Type> x_type{"x_type", Float(32)};
    GeneratorParam<Type> panel_type{"panel_type", Int(8)};
    GeneratorParam<bool> weights{"weights", false};
    GeneratorParam<bool> single_row{"single_row", false};
    GeneratorParam<Scaling> scaling{"scaling",
                                    Scaling::kDynamic,
                                    {{"dynamic", Scaling::kDynamic},
                                     {"static", Scaling::kStatic},
                                     {"asymmetric", Scaling::kAsymmetric},
                                     {"ready", Scaling::kReady}}};

    Input<Buffer<void, 2>> x_{"x"};
    GeneratorInput<float>* input_scale_ = nullptr;
    Output<Buffer<void, 4>> panel_{"panel"};
    GeneratorOutput<Buffer<float, 1>>*scale_ = nullptr, *low_ = nullptr, *high_ = nullptr;
    GeneratorOutput<Buffer<int32_t, 1>>*magnitude_ = nullptr, *zero_point_ = nullptr;
    GeneratorOutput<Buffer<int32_t, 2>>* column_sum_ = nullptr;

    void configure() {
        x_.set_type(x_type);
        panel_.set_type(panel_type);
        const bool asymmetric = scaling == Scaling::kAsymmetric;
        if (scaling == Scaling::kStatic) input_scale_ = add_input<float>("input_scale");
        if (scaling == Scaling::kDynamic || asymmetric) scale_ = add_output<Buffer<float, 1>>("scale");
        if (scaling != Scaling::kReady) magnitude_ = add_output<Buffer<int32_t, 1>>("magnitude");
        if (asymmetric) {
            low_ = add_output<Buffer<float, 1>>("low");
            high_ = add_output<Buffer<float, 1>>("high");
            zero_point_ = add_output<Buffer<int32_t, 1>>("zero_point");
        }
        if (weights) column_sum_ = add_output<Buffer<int32_t, 2>>("column_sum");
    }

    void generate() {
        Expr extent = x_.dim(0).extent();
        Func padded = BoundaryConditions::constant_exterior(x_, cast(x_.type(), 0), {{0, extent}, {Expr(), Expr()}});
        source(k, r) = padded(k, single_row ? r : clamp(r, 0, x_.dim(1).extent() - 1));
        lanes = RDom(0, (extent + vector - 1) / vector * vector);
        switch (scaling) {
            case Scaling::kDynamic:
                find_magnitude();
                (*scale_)(r) = absmax() / 127.0f;
                step(r) = weights ? absmax() / 127.0f : 127.0f / absmax();
                break;
            case Scaling::kStatic:
                find_magnitude();
                step(r) = 1.0f / *input_scale_;
                break;
            case Scaling::kAsymmetric:
                find_magnitude();
                find_range();
                break;
            case Scaling::kReady:
                break;
        }
        level(k, r) = quantized(k);
        Expr q = level(k_in + k_block * ko, single_row ? ro : row + tile * ro);
        panel_(k_in, row, ko, ro) =
            panel_.type().is_uint() ? reinterpret<uint8_t>(q) ^ cast<uint8_t>(0x80) : cast(panel_.type(), q);
        if (column_sum_) {
            Func sum = *column_sum_;
            steps = RDom(0, panel_.dim(2).extent());
            Expr block_sum = i32(0);
            for (int i = 0; i < k_block; i++)
                block_sum += i32(panel_(i, row, steps, ro));
            sum(row, ro) = 0;
            sum(row, ro) += block_sum;
        }
    }

    void schedule() {
        for (auto* reduced : {&reduced_int_, &reduced_float_}) {
            for (Func f : *reduced) {
                Var v;
                RVar outer, inner;
                Func partial = f.update().split(lanes.x, outer, inner, vector).rfactor(inner, v);
                partial.compute_at(f, r).vectorize(v).update().vectorize(v);
            }
        }
        Var kv, ki;
        const int blocks = (int)vector / (int)k_block;
        Func out = panel_;
        out.bound(k_in, 0, k_block).bound(row, 0, tile);
        out.split(ko, kv, ki, blocks, TailStrategy::RoundUp)
            .reorder(k_in, row, ki, kv, ro)
            .vectorize(k_in)
            .unroll(row)
            .unroll(ki);
        const int rows = single_row ? 1 : tile;
        if (single_row) panel_.dim(3).set_extent(1);
        if (step.defined() && !weights) step.compute_at(out, ro).bound_extent(r, rows).unroll(r);
        level.compute_at(out, kv)
            .store_in(MemoryType::Register)
            .bound_extent(r, rows)
            .bound_extent(k, vector)
            .vectorize(k)
            .unroll(r);
        constrain_panel(panel_, k_block, tile);
        x_.dim(0).set_min(0);
        x_.dim(1).set_min(0);
        for (auto* output : {scale_, low_, high_}) {
            if (output) output->dim(0).set_min(0);
        }
        for (auto* output : {magnitude_, zero_point_}) {
            if (output) output->dim(0).set_min(0);
        }
        if (column_sum_) {
            Func sum = *column_sum_;
            sum.bound(row, 0, tile).vectorize(row);
            sum.update().reorder(row, steps, ro).vectorize(row);
            column_sum_->dim(0).set_bounds(0, tile);
            column_sum_->dim(1).set_min(0).set_stride(tile);
        }
    }

  private:
    Expr x32(const Expr& at) { return f32(source(at, r)); }
    Expr absmax() { return reinterpret<float>((*magnitude_)(r)); }

    // The magnitude bits of IEEE numbers order like integers, and NaN above infinity above every number: one integer
    // maximum is exact in any order and finds the rows that cannot be quantized.
    void find_magnitude() {
        Func magnitude = *magnitude_;
        magnitude(r) = reinterpret<int32_t>(Expr(1e-8f));
        magnitude(r) = max(magnitude(r), reinterpret<int32_t>(x32(lanes)) & 0x7fffffff);
        reduced_int_.push_back(magnitude);
    }

    // The range of the row and 0, which the padding shares: 255 levels from low to high.
    void find_range() {
        Func low = *low_, high = *high_;
        low(r) = 0.0f;
        low(r) = min(low(r), x32(lanes));
        high(r) = 0.0f;
        high(r) = max(high(r), x32(lanes));
        reduced_float_ = {low, high};
        Expr span = select(high(r) - low(r) < 1e-8f, 1e-8f, high(r) - low(r));
        (*scale_)(r) = span / 255.0f;
        Expr inverse = 255.0f / span;
        step(r) = inverse;
        (*zero_point_)(r) = clamp(-128 - rounded(low(r) * inverse), -128, 127);
    }

    Expr quantized(const Expr& at) {
        if (scaling == Scaling::kReady) return cast<int8_t>(source(at, r));
        if (weights) return cast<int8_t>(clamp(rounded(x32(at) / step(r)), -128, 127));
        Expr scaled = x32(at) * step(r);
        switch (scaling) {
            case Scaling::kStatic:
                scaled = select(scaled < -127.0f, -127.0f, scaled);
                return cast<int8_t>(rounded_bits(select(scaled > 127.0f, 127.0f, scaled)));
            case Scaling::kAsymmetric:
                return cast<int8_t>(clamp(rounded(scaled) + (*zero_point_)(r), -128, 127));
            default:
                // Cannot exceed 127; the low byte is the result.
                return cast<int8_t>(rounded_bits(scaled));
        }
    }

    Var k{"k"}, r{"r"}, k_in{"k_in"}, row{"row"}, ko{"ko"}, ro{"ro"};
    RDom lanes, steps;
    Func source{"source"}, step{"step"}, level{"level"};
    std::vector<Func> reduced_int_, reduced_float_;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Quantize, quantize)
