// int8 GEMM on packed panels, dequantized in registers:
//
//   y[n, m] = f32(sum_k (a[m, k] - zero_point[m]) * b[n, k]) * (row_scale[m] * column_scale[n]) + bias[n]
//
// lhs [k_block, panel_m, K / k_block, M / tile_m]   rows of the activations; element type `lhs_type`. Of each panel's
// rows
//                                                   the first tile_m are read
// rhs [k_block, panel_n, K / k_block, N / panel_n]  columns of the weights, int8
// column_sum [N]                                    int32, sums of the columns of rhs over k
// zero_point [tile_m, M / tile_m]                   int32, only with `asymmetric`
// row_scale [tile_m, M / tile_m], column_scale [N], bias [N]   f32
// y   [N, tile_m, M / tile_m]                       f32; N is a multiple of the tile, and so is M: its rows are split
// in two
//                                                   dimensions, which spares the kernel a multiplication per row
//
// What follows the bias (activation, residual, gate, other output types) is the epilogue's: epilogue_generator.cpp.
//
// All K of both panels are zero-padded to k_block. One accumulator register holds a cell of cell_m rows by cell_n
// columns; a tile is a grid of cells, over `panels` adjacent column panels, that stays in registers for the whole
// reduction.
#include "Halide.h"
#include "panels.h"
#include "select_mmla.h"

namespace {

using namespace Halide;
using namespace octile::generators;
using Halide::ConciseCasts::f32;
using Halide::ConciseCasts::i32;

class GemmS8 : public Generator<GemmS8> {
  public:
    GeneratorParam<int> tile_m{"tile_m", 8};
    GeneratorParam<int> panel_m{"panel_m", 8};
    GeneratorParam<int> panel_n{"panel_n", 12};
    GeneratorParam<int> panels{"panels", 1};
    // The kernel is for one tile of rows, as are all but the tallest: knowing that saves its loop.
    GeneratorParam<bool> single_tile{"single_tile", false};
    GeneratorParam<int> k_block{"k_block", 4};
    GeneratorParam<int> cell_m{"cell_m", 1};
    GeneratorParam<int> cell_n{"cell_n", 4};
    // Cells side by side in one register, one per 128 bits, all of the same rows: the length of scalable vectors.
    GeneratorParam<int> segments{"segments", 1};
    // Independent accumulators per output, for tiles too small to hide the latency of one.
    GeneratorParam<int> k_split{"k_split", 1};
    // Steps of the reduction that the weights are fetched ahead into the second-level cache; 0: left to the hardware.
    // The first tile of a column panel is the one that waits for memory.
    GeneratorParam<int> prefetch{"prefetch", 0};
    GeneratorParam<Type> lhs_type{"lhs_type", Int(8)};
    GeneratorParam<bool> asymmetric{"asymmetric", false};
    GeneratorParam<Order> order{"order", Order::kColumns, kOrders};

    Input<Buffer<void, 4>> lhs_{"lhs"};
    Input<Buffer<int8_t, 4>> rhs_{"rhs"};
    Input<Buffer<float, 2>> row_scale_{"row_scale"};
    Input<Buffer<float, 1>> column_scale_{"column_scale"};
    Input<Buffer<float, 1>> bias_{"bias"};
    Input<Buffer<int32_t, 1>> column_sum_{"column_sum"};
    GeneratorInput<Buffer<int32_t, 2>>* zero_point_ = nullptr;
    Output<Buffer<float, 3>> y_{"y"};

    void configure() {
        lhs_.set_type(lhs_type);
        if (asymmetric) zero_point_ = add_input<Buffer<int32_t, 2>>("zero_point");
    }

    void generate() {
        const int cells_n = (int)panel_n / (int)cell_n, tile_n = (int)panels * (int)panel_n;
        lhs_cells(k, i, m2, ko, mo) = lhs_(k, i + cell_m * m2, ko, mo);
        rhs_cells(k, j, n2, ko, no) = rhs_(k, j + cell_n * (n2 % cells_n), ko, n2 / cells_n + panels * no);

        // Where a register holds several cells, the order of its rows and columns is not one that vectors load in.
        const bool correct_cells = segments == 1;
        Expr start = correct_cells ? -surplus(i + cell_m * m2) * column_sum_(j + cell_n * n2 + tile_n * no) : Expr(0);
        acc(j, i, n2, m2, u, no, mo) = k_split > 1 ? select(u == 0, start, 0) : start;
        r = RDom(0, k_block, 0, lhs_.dim(2).extent() / k_split);
        Expr block = u + k_split * r.y;
        acc(j, i, n2, m2, u, no, mo) += i32(lhs_cells(r.x, i, m2, block, mo)) * i32(rhs_cells(r.x, j, n2, block, no));

        Expr sum = i32(0);
        for (int split = 0; split < k_split; split++)
            sum += acc(n % cell_n, mi % cell_m, (n % tile_n) / cell_n, mi / cell_m, split, n / tile_n, mo);
        if (!correct_cells) sum -= surplus(mi) * column_sum_(n);
        row_scales(mi, mo) = row_scale_(mi, mo);
        y_(n, mi, mo) = strict_float(f32(sum) * (row_scales(mi, mo) * column_scale_(n)) + bias_(n));
    }

    void schedule() {
        const bool mmla = cell_m == 2;
        const int cells_m = ((int)tile_m + (int)cell_m - 1) / (int)cell_m, cells_n = (int)panel_n / (int)cell_n;
        const int tile_n = (int)panels * (int)panel_n;
        Var lane, cell, f;
        Func out = y_;
        const OutputTile tile{n, mi, mo, no, tile_m, tile_n};
        tile_output(out, tile, order);
        row_scales.compute_at(out, tile.each(order)).store_in(MemoryType::Register).bound_extent(mi, tile_m);
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
        acc.compute_at(out, tile.each(order)).store_in(MemoryType::Register).bound_extent(u, k_split).unroll(u);
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
        constrain_panel(lhs_, k_block, panel_m);
        constrain_panel(rhs_, k_block, panel_n);
        for (auto* vector : {&column_scale_, &bias_})
            vector->dim(0).set_min(0);
        column_sum_.dim(0).set_min(0);
        row_scale_.dim(0).set_bounds(0, tile_m);
        row_scale_.dim(1).set_min(0).set_stride(tile_m);
        if (asymmetric) {
            zero_point_->dim(0).set_bounds(0, tile_m);
            zero_point_->dim(1).set_min(0).set_stride(tile_m);
        }
        constrain_output(y_, tile_m, single_tile);
        if (mmla) add_mmla_selection(get_pipeline());
    }

  private:
    // What the products hold in excess of each element of a column.
    Expr surplus(const Expr& row) {
        // An unsigned left-hand side holds its elements + 128.
        Expr excess = i32(lhs_.type().is_uint() ? 128 : 0);
        return asymmetric ? excess + (*zero_point_)(row, mo) : excess;
    }

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

    Var mi{"mi"}, n{"n"}, k{"k"}, i{"i"}, j{"j"}, u{"u"}, m2{"m2"}, n2{"n2"}, mo{"mo"}, no{"no"}, ko{"ko"}, t{"t"};
    RDom r;
    Func lhs_cells{"lhs_cells"}, rhs_cells{"rhs_cells"}, row_scales{"row_scales"}, acc{"acc"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GemmS8, gemm_s8)
