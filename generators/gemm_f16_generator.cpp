// Floating-point GEMM on packed panels with f16 weights:
//
//   y[n, m] = sum_k lhs[m, k] * rhs[n, k] + bias[n]
//
// lhs [panel_m, K', M / tile_m]   rows of the activations: f16 where the CPU multiplies f16, else f32. Of each panel's
// rows
//                                 the first tile_m are read
// rhs [panel_n, K', N / panel_n]  columns of the weights, f16
// y   [N, tile_m, M / tile_m]     f32; N is a multiple of the tile
//
// What follows the bias is the epilogue's: epilogue_generator.cpp. A tile spans `panels` adjacent column panels.
//
// f16 arithmetic rounds after every step, so it runs for `chunk` steps of k at a time, each chunk from zero, and the
// chunks are added up in f32: the error grows with the chunk and not with K (docs/quantization.md states the bound).
#include "Halide.h"
#include "panels.h"

namespace {

using namespace Halide;
using namespace octile::generators;
using Halide::ConciseCasts::f32;

class GemmF16 : public Generator<GemmF16> {
  public:
    GeneratorParam<int> tile_m{"tile_m", 8};
    GeneratorParam<int> panel_m{"panel_m", 8};
    GeneratorParam<int> panel_n{"panel_n", 24};
    GeneratorParam<int> panels{"panels", 1};
    // The kernel is for one tile of rows, as are all but the tallest: knowing that saves its loop.
    GeneratorParam<bool> single_tile{"single_tile", false};
    GeneratorParam<int> lanes{"lanes", 8};
    GeneratorParam<int> chunk{"chunk", 128};  // a multiple of k_split
    GeneratorParam<int> k_split{"k_split", 1};
    GeneratorParam<Type> lhs_type{"lhs_type", Float(16)};
    GeneratorParam<Order> order{"order", Order::kColumns, kOrders};

    Input<Buffer<void, 3>> lhs_{"lhs"};
    Input<Buffer<float16_t, 3>> rhs_{"rhs"};
    Input<Buffer<float, 1>> bias_{"bias"};
    Output<Buffer<float, 3>> y_{"y"};

    void configure() { lhs_.set_type(lhs_type); }

    void generate() {
        const Type arithmetic = lhs_type;
        const int tile_n = (int)panels * (int)panel_n;
        // The last chunk is cut short by `steps.where`, which bounds inference does not see.
        Expr extent = lhs_.dim(1).extent();
        Expr inside = unsafe_promise_clamped(k, 0, extent - 1);
        lhs_tile(mi, k, mo) = lhs_(mi, inside, mo);
        rhs_tile(ni, p, k, no) = cast(arithmetic, rhs_(ni, inside, p + panels * no));
        // Steps of k are split twice: into chunks, and inside a chunk into k_split independent chains.
        const int chains = k_split, chunk_size = chunk;
        steps = RDom(0, chunk_size / chains);
        Expr at = u + chains * steps + chunk_size * block;
        steps.where(chains * steps + chunk_size * block < extent);
        acc(ni, p, mi, u, block, no, mo) = cast(arithmetic, 0);
        acc(ni, p, mi, u, block, no, mo) += lhs_tile(mi, at, mo) * rhs_tile(ni, p, at, no);

        blocks = RDom(0, (extent + chunk_size - 1) / chunk_size);
        total(ni, p, mi, no, mo) = 0.0f;
        Expr sum = f32(acc(ni, p, mi, 0, blocks, no, mo));
        for (int split = 1; split < k_split; split++)
            sum += f32(acc(ni, p, mi, split, blocks, no, mo));
        total(ni, p, mi, no, mo) += sum;
        y_(n, mi, mo) = total(n % panel_n, (n % tile_n) / panel_n, mi, n / tile_n, mo) + bias_(n);
    }

    void schedule() {
        const int tile_n = (int)panels * (int)panel_n;
        Var lane, cell, v;
        Func out = y_;
        const OutputTile tile{n, mi, mo, no, tile_m, tile_n};
        tile_output(out, tile, order);
        out.split(n, cell, lane, lanes).vectorize(lane).unroll(cell);
        hold_tile(total, Stage(total)).store_in(MemoryType::Stack).compute_at(out, tile.each(order));
        total.update().reorder(ni, p, mi, blocks.x).vectorize(ni, lanes).unroll(ni).unroll(p).unroll(mi);
        hold_tile(acc, Stage(acc)).store_in(MemoryType::Register).compute_at(total, blocks.x);
        acc.bound_extent(u, k_split).unroll(u);
        acc.update().reorder(ni, p, mi, u, steps.x).vectorize(ni, lanes).unroll(ni).unroll(p).unroll(mi).unroll(u);
        // By-element products read the lanes of one vector, of the whole panel; f32 arithmetic broadcasts each element
        // from memory.
        const bool by_element = lhs_.type() == Float(16);
        lhs_tile.compute_at(acc, steps.x)
            .store_in(MemoryType::Register)
            .bound_extent(mi, by_element ? panel_m : tile_m)
            .bound_extent(k, k_split);
        if (by_element) {
            lhs_tile.fuse(mi, k, v).vectorize(v);
        } else {
            lhs_tile.unroll(mi).unroll(k);
        }
        rhs_tile.compute_at(acc, steps.x)
            .store_in(MemoryType::Register)
            .bound_extent(ni, panel_n)
            .bound_extent(p, panels)
            .bound_extent(k, k_split)
            .vectorize(ni, lanes)
            .unroll(ni)
            .unroll(p)
            .unroll(k);
        constrain_panel(lhs_, panel_m);
        constrain_panel(rhs_, panel_n);
        bias_.dim(0).set_min(0);
        constrain_output(y_, tile_m, single_tile);
    }

  private:
    // The extents of a tile, and its first stage, unrolled.
    Func hold_tile(Func func, Stage stage) {
        func.bound_extent(ni, panel_n).bound_extent(p, panels).bound_extent(mi, tile_m);
        stage.vectorize(ni, lanes).unroll(ni).unroll(p).unroll(mi);
        return func;
    }

    Var n{"n"}, k{"k"}, u{"u"}, mi{"mi"}, ni{"ni"}, mo{"mo"}, no{"no"}, p{"p"}, block{"block"};
    RDom steps, blocks;
    Func lhs_tile{"lhs_tile"}, rhs_tile{"rhs_tile"}, acc{"acc"}, total{"total"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GemmF16, gemm_f16)
