// Symmetric int8 quantization of rows, written straight into the packed panel that the GEMM reads.
//
// x      [K, R]                                     f32 or f16
// panel  [k_block, tile, K' / k_block, R' / tile]   `panel_type`; zero beyond K, the last row repeated beyond R
// scale  [R']                                       f32; NaN or infinite exactly if the row holds a NaN or an infinity
// magnitude [R']                                    int32, the bits of the row's absmax, at least 1e-8
// offset [R']                                       int32, weights only: -128 * sum of the row, what the 128 that an
// unsigned left-hand
//                                                   side adds to its elements does to a product
//
// Two roundings of the same idea, both normative in docs/quantization.md: activations are multiplied by 127 / absmax;
// weights
// (`weights=true`) are divided by their scale and may reach -128.
#include "Halide.h"

namespace {

using namespace Halide;
using Halide::ConciseCasts::f32;
using Halide::ConciseCasts::i32;

class Quantize : public Generator<Quantize> {
  public:
    GeneratorParam<int> tile{"tile", 8};
    GeneratorParam<int> k_block{"k_block", 4};
    // Elements of a row that are quantized at once; a multiple of k_block.
    GeneratorParam<int> vector{"vector", 16};
    GeneratorParam<Type> x_type{"x_type", Float(32)};
    GeneratorParam<Type> panel_type{"panel_type", Int(8)};
    GeneratorParam<bool> weights{"weights", false};

    Input<Buffer<void, 2>> x_{"x"};
    Output<Buffer<void, 4>> panel_{"panel"};
    Output<Buffer<float, 1>> scale_{"scale"};
    // An output so that the caller provides its memory: a kernel allocates nothing.
    Output<Buffer<int32_t, 1>> magnitude_{"magnitude"};
    GeneratorOutput<Buffer<int32_t, 1>>* offset_ = nullptr;

    void configure() {
        x_.set_type(x_type);
        panel_.set_type(panel_type);
        if (weights) offset_ = add_output<Buffer<int32_t, 1>>("offset");
    }

    void generate() {
        Expr extent = x_.dim(0).extent();
        Func padded = BoundaryConditions::constant_exterior(x_, cast(x_.type(), 0), {{0, extent}, {Expr(), Expr()}});
        x32(k, r) = f32(padded(k, clamp(r, 0, x_.dim(1).extent() - 1)));

        // The magnitude bits of IEEE numbers order like integers, and NaN above infinity above every number: one
        // integer maximum is exact in any order and finds the rows that cannot be quantized.
        lanes = RDom(0, (extent + vector - 1) / vector * vector);
        magnitude_(r) = reinterpret<int32_t>(Expr(1e-8f));
        magnitude_(r) = max(magnitude_(r), reinterpret<int32_t>(x32(lanes, r)) & 0x7fffffff);
        Expr absmax = reinterpret<float>(magnitude_(r));
        step(r) = weights ? absmax / 127.0f : 127.0f / absmax;

        // Adding 1.5 * 2^23 leaves the nearest integer, ties to even, in the low bits of the sum: one operation where
        // rounding and converting take two. Activations cannot exceed 127; their low byte is the result.
        const float kRounder = 0x1.8p+23f;
        auto quantized = [&](const Expr& at) {
            Expr bits = reinterpret<int32_t>((weights ? x32(at, r) / step(r) : x32(at, r) * step(r)) + kRounder);
            return cast<int8_t>(weights ? clamp(bits - reinterpret<int32_t>(Expr(kRounder)), -128, 127) : bits);
        };
        level(k, r) = quantized(k);

        Expr q = level(k_in + k_block * ko, row + tile * ro);
        panel_(k_in, row, ko, ro) =
            panel_.type().is_uint() ? reinterpret<uint8_t>(q) ^ cast<uint8_t>(0x80) : cast(panel_.type(), q);
        scale_(r) = absmax / 127.0f;

        if (offset_) {
            sum(r) = 0;
            sum(r) += i32(quantized(lanes));
            (*offset_)(r) = -128 * sum(r);
        }
    }

    void schedule() {
        Var v, kv, ki;
        RVar outer, inner;
        Func magnitude = magnitude_;
        Func partial = magnitude.update().split(lanes.x, outer, inner, vector).rfactor(inner, v);
        partial.compute_at(magnitude, r).vectorize(v).update().vectorize(v);
        magnitude.update().parallel(r);

        const int blocks = (int)vector / (int)k_block;
        Func out = panel_;
        out.bound(k_in, 0, k_block).bound(row, 0, tile);
        out.split(ko, kv, ki, blocks, TailStrategy::RoundUp)
            .reorder(k_in, row, ki, kv, ro)
            .fuse(k_in, row, v)
            .fuse(v, ki, v)
            .vectorize(v)
            .parallel(ro);
        if (!weights) step.compute_at(out, ro).bound_extent(r, tile).unroll(r);
        level.compute_at(out, kv)
            .store_in(MemoryType::Register)
            .bound_extent(r, tile)
            .bound_extent(k, vector)
            .vectorize(k)
            .unroll(r);
        panel_.dim(0).set_bounds(0, k_block);
        panel_.dim(1).set_bounds(0, tile).set_stride(k_block);
        panel_.dim(2).set_min(0).set_stride((int)k_block * (int)tile);
        panel_.dim(3).set_min(0);
        x_.dim(0).set_min(0);
        x_.dim(1).set_min(0);
        scale_.dim(0).set_min(0);
        magnitude_.dim(0).set_min(0);
        if (offset_) {
            sum.compute_root().update().atomic().vectorize(lanes, vector);
            offset_->dim(0).set_min(0);
        }
    }

  private:
    Var k{"k"}, r{"r"}, k_in{"k_in"}, row{"row"}, ko{"ko"}, ro{"ro"};
    RDom lanes;
    Func x32{"x32"}, step{"step"}, level{"level"}, sum{"sum"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Quantize, quantize)
