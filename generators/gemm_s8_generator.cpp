// int8 GEMM on packed panels (gemm_s8.h), by the dot product of the level: one accumulator register holds a cell of
// cell_m rows by cell_n columns, and a tile is a grid of cells.
#include "gemm_s8.h"
#include "select_mmla.h"

namespace {

using namespace Halide;
using namespace octile::generators;
using Halide::ConciseCasts::i32;

class GemmS8 : public GemmS8Form<GemmS8> {
  public:
    GeneratorParam<int> cell_m{"cell_m", 1};
    GeneratorParam<int> cell_n{"cell_n", 4};
    // Cells side by side in one register, one per 128 bits, all of the same rows: the length of scalable vectors.
    GeneratorParam<int> segments{"segments", 1};
    // Independent accumulators per output, for tiles too small to hide the latency of one.
    GeneratorParam<int> k_split{"k_split", 1};
    // Steps of the reduction that the weights are fetched ahead into the second-level cache; 0: left to the hardware.
    // The first tile of a column panel is the one that waits for memory.
    GeneratorParam<int> prefetch{"prefetch", 0};

    void generate() {
        const int cells_n = (int)panel_n / (int)cell_n;
        lhs_cells(k, i, m2, ko, mo) = lhs_(k, i + cell_m * m2, ko, mo);
        rhs_cells(k, j, n2, ko, no) = rhs_(k, j + cell_n * (n2 % cells_n), ko, n2 / cells_n + panels * no);

        // Where a register holds several cells, the order of its rows and columns is not one that vectors load in.
        const bool correct_cells = segments == 1;
        Expr start = correct_cells ? -surplus(i + cell_m * m2) * column_sum_(j + cell_n * n2 + tile_n() * no) : Expr(0);
        acc(j, i, n2, m2, u, no, mo) = k_split > 1 ? select(u == 0, start, 0) : start;
        r = RDom(0, k_block, 0, lhs_.dim(2).extent() / k_split);
        Expr block = u + k_split * r.y;
        acc(j, i, n2, m2, u, no, mo) += i32(lhs_cells(r.x, i, m2, block, mo)) * i32(rhs_cells(r.x, j, n2, block, no));

        Expr sum = i32(0);
        for (int split = 0; split < k_split; split++)
            sum += acc(n % cell_n, mi % cell_m, (n % tile_n()) / cell_n, mi / cell_m, split, n / tile_n(), mo);
        if (!correct_cells) sum -= surplus(mi) * column_sum_(n);
        define_output(sum);
    }

    void schedule() {
        const bool mmla = cell_m == 2;
        const int cells_m = ((int)tile_m + (int)cell_m - 1) / (int)cell_m, cells_n = (int)panel_n / (int)cell_n;
        Var lane, cell, f;
        Func out = schedule_output();
        segments > 1 ? row_scales.unroll(mi) : row_scales.vectorize(mi);
        if (mmla) {
            // A vector of the output is one row of two neighbouring registers of 2x2 cells.
            Var pair, half;
            out.split(n, pair, lane, cell_n)
                .split(pair, cell, half, 2 * segments)
                .vectorize(lane)
                .vectorize(half)
                .unroll(cell);
        } else {
            out.split(n, cell, lane, cell_n).vectorize(lane).unroll(cell);
        }
        acc.compute_at(out, each_tile()).store_in(MemoryType::Register).bound_extent(u, k_split).unroll(u);
        acc.bound_extent(n2, panels * cells_n).bound_extent(m2, cells_m).unroll(m2);
        acc.bound_extent(i, cell_m).bound_extent(j, cell_n).fuse(j, i, f);
        acc.update().reorder(r.x, j, i, n2, m2, u, r.y).unroll(m2).unroll(u).atomic();
        if (segments > 1) {
            Var segment;
            acc.split(n2, n2, segment, segments).fuse(f, segment, f);
            acc.update().split(n2, n2, segment, segments).vectorize(segment);
        }
        acc.vectorize(f).unroll(n2);
        acc.update().unroll(n2).vectorize(i).vectorize(j).vectorize(r.x);
        if (prefetch > 0) acc.update().prefetch(rhs_, r.y, r.y, (int)prefetch, PrefetchBoundStrategy::NonFaulting);
        // Chains of the activations lie behind one another: one load fetches those of a narrow panel. Rows of scalable
        // cells are loaded where they are multiplied, by what the selection makes of it.
        if (segments == 1) load_cells(lhs_cells, i, cell_m, m2, (int)panel_m / (int)cell_m).fuse(t, ko, t).vectorize(t);
        // Halide takes a load of several scalable registers apart by way of the stack.
        const int load_n = segments > 1 ? segments * (int)cell_n : (int)panel_n;
        Var load;
        load_cells(rhs_cells, j, cell_n, n2, panels * cells_n).split(t, load, t, k_block * load_n);
        rhs_cells.unroll(ko).unroll(load).vectorize(t);
        if (mmla) add_mmla_selection(get_pipeline());
    }

  private:
    // An operand's part of one reduction step, in registers: `count` cells of `size` rows or columns.
    Func load_cells(Func cells, Var in_cell, int size, Var cell, int count) {
        Var f;
        cells.compute_at(acc, r.y)
            .store_in(MemoryType::Register)
            .bound_extent(k, k_block)
            .bound_extent(in_cell, size)
            .bound_extent(cell, count)
            .bound_extent(ko, k_split)
            .fuse(k, in_cell, f)
            .fuse(f, cell, t);
        return cells;
    }

    Var k{"k"}, i{"i"}, j{"j"}, u{"u"}, m2{"m2"}, n2{"n2"}, ko{"ko"}, t{"t"};
    RDom r;
    Func lhs_cells{"lhs_cells"}, rhs_cells{"rhs_cells"}, acc{"acc"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GemmS8, gemm_s8)
