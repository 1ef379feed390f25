// Floating-point GEMM on packed panels with f16 weights:
//
//   y[n, m] = act(sum_k lhs[m, k] * rhs[n, k] + bias[n])
//
// lhs [tile_m, K', M / tile_m]   rows of the activations: f16 where the CPU multiplies f16, else f32
// rhs [tile_n, K', N / tile_n]   columns of the weights, f16
// y   [N, M]                     any M and N
//
// f16 arithmetic rounds after every step, so it runs for `chunk` steps of k at a time, each chunk from zero, and the
// chunks are added up in f32: the error grows with the chunk and not with K (docs/quantization.md states the bound).
#include "Halide.h"
#include "epilogue.h"

namespace {

using namespace Halide;
using namespace octile::generators;
using Halide::ConciseCasts::f32;

class GemmF16 : public Generator<GemmF16> {
  public:
    GeneratorParam<int> tile_m{"tile_m", 8};
    GeneratorParam<int> tile_n{"tile_n", 24};
    GeneratorParam<int> lanes{"lanes", 8};
    GeneratorParam<int> chunk{"chunk", 128};  // a multiple of k_split
    GeneratorParam<int> k_split{"k_split", 1};
    GeneratorParam<int> block_m{"block_m", 32};
    GeneratorParam<Type> lhs_type{"lhs_type", Float(16)};
    GeneratorParam<Type> out_type{"out_type", Float(32)};
    GeneratorParam<Activation> activation{"activation", Activation::kNone, activation_names()};

    Input<Buffer<void, 3>> lhs_{"lhs"};
    Input<Buffer<float16_t, 3>> rhs_{"rhs"};
    Input<Buffer<float, 1>> bias_{"bias"};
    Output<Buffer<void, 2>> y_{"y"};

    void configure() {
        lhs_.set_type(lhs_type);
        y_.set_type(out_type);
    }

    void generate() {
        const Type arithmetic = lhs_type;
        // The last chunk is cut short by `steps.where`, which bounds inference does not see.
        Expr extent = lhs_.dim(1).extent();
        Expr inside = unsafe_promise_clamped(k, 0, extent - 1);
        lhs_tile(mi, k, mo) = lhs_(mi, inside, mo);
        rhs_tile(ni, k, no) = cast(arithmetic, rhs_(ni, inside, no));
        // Steps of k are split twice: into chunks, and inside a chunk into k_split independent chains.
        const int chains = k_split, chunk_size = chunk;
        steps = RDom(0, chunk_size / chains);
        Expr at = u + chains * steps + chunk_size * block;
        steps.where(chains * steps + chunk_size * block < extent);
        acc(ni, mi, u, block, no, mo) = cast(arithmetic, 0);
        acc(ni, mi, u, block, no, mo) += lhs_tile(mi, at, mo) * rhs_tile(ni, at, no);

        blocks = RDom(0, (extent + chunk_size - 1) / chunk_size);
        total(ni, mi, no, mo) = 0.0f;
        Expr sum = f32(acc(ni, mi, 0, blocks, no, mo));
        for (int split = 1; split < k_split; split++)
            sum += f32(acc(ni, mi, split, blocks, no, mo));
        total(ni, mi, no, mo) += sum;
        y_(n, m) = cast(y_.type(), activate(get_target(), activation,
                                            total(n % tile_n, m % tile_m, n / tile_n, m / tile_m) + bias_(n)));
    }

    void schedule() {
        Var lane, cell, v, mb;
        Func out = y_;
        out.tile(n, m, no, mo, ni, mi, tile_n, tile_m, TailStrategy::GuardWithIf)
            .split(mo, mb, mo, block_m, TailStrategy::GuardWithIf)
            .reorder(ni, mi, mo, no, mb)
            .parallel(no)
            .split(ni, cell, lane, lanes)
            .vectorize(lane)
            .unroll(cell)
            .unroll(mi);
        for (int stage = 0; stage < 2; stage++) {
            Stage s = stage ? Stage(total.update()) : Stage(total);
            if (stage) s.reorder(ni, mi, blocks.x);
            s.vectorize(ni, lanes).unroll(ni).unroll(mi);
        }
        total.compute_at(out, mo).store_in(MemoryType::Stack).bound_extent(ni, tile_n).bound_extent(mi, tile_m);
        acc.compute_at(total, blocks.x)
            .store_in(MemoryType::Register)
            .bound_extent(ni, tile_n)
            .bound_extent(mi, tile_m)
            .bound_extent(u, k_split)
            .vectorize(ni, lanes)
            .unroll(ni)
            .unroll(mi)
            .unroll(u);
        acc.update().reorder(ni, mi, u, steps.x).vectorize(ni, lanes).unroll(ni).unroll(mi).unroll(u);
        lhs_tile.compute_at(acc, steps.x)
            .store_in(MemoryType::Register)
            .bound_extent(mi, tile_m)
            .bound_extent(k, k_split);
        // By-element products read the lanes of one vector; f32 arithmetic broadcasts each element from memory.
        if (lhs_.type() == Float(16)) {
            lhs_tile.fuse(mi, k, v).vectorize(v);
        } else {
            lhs_tile.unroll(mi).unroll(k);
        }
        rhs_tile.compute_at(acc, steps.x)
            .store_in(MemoryType::Register)
            .bound_extent(ni, tile_n)
            .bound_extent(k, k_split)
            .vectorize(ni, lanes)
            .unroll(ni)
            .unroll(k);
        constrain_panel(lhs_, tile_m);
        constrain_panel(rhs_, tile_n);
        bias_.dim(0).set_min(0);
        y_.dim(0).set_min(0);
        y_.dim(1).set_min(0);
    }

  private:
    template <typename Panel>
    void constrain_panel(Panel& panel, int tile) {
        panel.dim(0).set_bounds(0, tile);
        panel.dim(1).set_min(0).set_stride(tile);
        panel.dim(2).set_min(0);
    }

    Var m{"m"}, n{"n"}, k{"k"}, u{"u"}, mi{"mi"}, ni{"ni"}, mo{"mo"}, no{"no"}, block{"block"};
    RDom steps, blocks;
    Func lhs_tile{"lhs_tile"}, rhs_tile{"rhs_tile"}, acc{"acc"}, total{"total"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GemmF16, gemm_f16)
