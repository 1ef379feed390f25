// Rows of a matrix rounded to f16 and written into the panel that the floating-point GEMM reads.
//
// x     [K, R]                   f32, f16 or bf16
// panel [tile, K', R' / tile]    f16, or f32 holding values that were rounded to f16; zero beyond K, the last row
// repeated beyond R
#include "Halide.h"
#include "panels.h"

namespace {

using namespace Halide;
using namespace octile::generators;

class PackF16 : public Generator<PackF16> {
  public:
    GeneratorParam<int> tile{"tile", 8};
    GeneratorParam<int> vector{"vector", 8};  // elements of a row that are read at once; divides K'
    GeneratorParam<Type> x_type{"x_type", Float(32)};
    GeneratorParam<Type> panel_type{"panel_type", Float(16)};

    Input<Buffer<void, 2>> x_{"x"};
    Output<Buffer<void, 3>> panel_{"panel"};

    void configure() {
        x_.set_type(x_type);
        panel_.set_type(panel_type);
    }

    void generate() {
        Func padded =
            BoundaryConditions::constant_exterior(x_, cast(x_.type(), 0), {{0, x_.dim(0).extent()}, {Expr(), Expr()}});
        // By way of f32, and of bits, which the simplifier leaves alone: Halide's own bf16 to f16 turns NaN into
        // infinity.
        Expr value = padded(k, clamp(r, 0, x_.dim(1).extent() - 1));
        if (x_.type() == BFloat(16)) value = reinterpret<float>(cast<uint32_t>(reinterpret<uint16_t>(value)) << 16);
        rounded(k, r) = cast<float16_t>(value);
        panel_(row, k, ro) = cast(panel_.type(), rounded(k, row + tile * ro));
    }

    void schedule() {
        Var kv, ki;
        Func out = panel_;
        out.bound(row, 0, tile)
            .split(k, kv, ki, vector, TailStrategy::RoundUp)
            .reorder(row, ki, kv, ro)
            .vectorize(row)
            .unroll(ki);
        rounded.compute_at(out, kv)
            .store_in(MemoryType::Register)
            .bound_extent(r, tile)
            .bound_extent(k, vector)
            .vectorize(k)
            .unroll(r);
        constrain_panel(panel_, tile);
        x_.dim(0).set_min(0);
        x_.dim(1).set_min(0);
    }

  private:
    Var k{"k"}, r{"r"}, row{"row"}, ro{"ro"};
    Func rounded{"rounded"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(PackF16, pack_f16)
