// int8 GEMM on packed panels, with dequantization, bias and activation in registers:
//
//   y[n, m] = act(f32(sum_k a[m, k] * b[n, k]) * (row_scale[m] * column_scale[n]) + bias[n])
//
// lhs    [k_block, tile_m, K / k_block, M / tile_m]   rows of the activations; element type `lhs_type`
// rhs    [k_block, tile_n, K / k_block, N / tile_n]   columns of the weights, int8
// offset [N]                                          int32, only for unsigned lhs: what the accumulators start from
// y      [N, M]                                       any M and N; rows and columns beyond them are computed and not
// stored
//
// All K of both panels are zero-padded to k_block, M and N to the tile. One accumulator register holds a cell of cell_m
// rows by cell_n columns; a tile is a grid of cells that stays in registers for the whole reduction.
#include "Halide.h"
#include "epilogue.h"
#include "select_mmla.h"

namespace {

using namespace Halide;
using namespace octile::generators;
using Halide::ConciseCasts::f32;
using Halide::ConciseCasts::i32;

class GemmS8 : public Generator<GemmS8> {
  public:
    GeneratorParam<int> tile_m{"tile_m", 8};
    GeneratorParam<int> tile_n{"tile_n", 12};
    GeneratorParam<int> k_block{"k_block", 4};
    GeneratorParam<int> cell_m{"cell_m", 1};
    GeneratorParam<int> cell_n{"cell_n", 4};
    // Independent accumulators per output, for tiles too small to hide the latency of one.
    GeneratorParam<int> k_split{"k_split", 1};
    // Tiles of rows that run over one column panel before the next one is fetched.
    GeneratorParam<int> block_m{"block_m", 32};
    GeneratorParam<Type> lhs_type{"lhs_type", Int(8)};
    GeneratorParam<Type> out_type{"out_type", Float(32)};
    GeneratorParam<Activation> activation{"activation", Activation::kNone, activation_names()};

    Input<Buffer<void, 4>> lhs_{"lhs"};
    Input<Buffer<int8_t, 4>> rhs_{"rhs"};
    Input<Buffer<float, 1>> row_scale_{"row_scale"};
    Input<Buffer<float, 1>> column_scale_{"column_scale"};
    Input<Buffer<float, 1>> bias_{"bias"};
    Input<Buffer<int32_t, 1>> offset_{"offset"};
    Output<Buffer<void, 2>> y_{"y"};

    void configure() {
        lhs_.set_type(lhs_type);
        y_.set_type(out_type);
    }

    void generate() {
        lhs_cells(k, i, m2, ko, mo) = lhs_(k, i + cell_m * m2, ko, mo);
        rhs_cells(k, j, n2, ko, no) = rhs_(k, j + cell_n * n2, ko, no);

        const bool biased = lhs_.type().is_uint();
        Expr start = biased ? select(u == 0, offset_(j + cell_n * n2 + tile_n * no), 0) : i32(0);
        acc(j, i, n2, m2, u, no, mo) = start;
        r = RDom(0, k_block, 0, lhs_.dim(2).extent() / k_split);
        Expr block = u + k_split * r.y;
        acc(j, i, n2, m2, u, no, mo) += i32(lhs_cells(r.x, i, m2, block, mo)) * i32(rhs_cells(r.x, j, n2, block, no));

        Expr sum = i32(0);
        for (int split = 0; split < k_split; split++)
            sum += acc(n % cell_n, m % cell_m, (n % tile_n) / cell_n, (m % tile_m) / cell_m, split, n / tile_n,
                       m / tile_m);
        y_(n, m) = cast(y_.type(),
                        activate(get_target(), activation, f32(sum) * (row_scale_(m) * column_scale_(n)) + bias_(n)));
    }

    void schedule() {
        const bool mmla = cell_m == 2;
        const int cells_m = (int)tile_m / (int)cell_m, cells_n = (int)tile_n / (int)cell_n;
        Var ni, mi, mb, lane, cell, f, t;
        Func out = y_;
        out.tile(n, m, no, mo, ni, mi, tile_n, tile_m, TailStrategy::GuardWithIf)
            .split(mo, mb, mo, block_m, TailStrategy::GuardWithIf)
            .reorder(ni, mi, mo, no, mb)
            .parallel(no)
            .unroll(mi);
        if (mmla) {
            // A vector of the output is one row of two neighbouring 2x2 cells.
            Var pair, half;
            out.split(ni, pair, lane, cell_n).split(pair, cell, half, 2).vectorize(lane).vectorize(half).unroll(cell);
        } else {
            out.split(ni, cell, lane, cell_n).vectorize(lane).unroll(cell);
        }
        acc.compute_at(out, mo)
            .store_in(MemoryType::Register)
            .bound_extent(n2, cells_n)
            .bound_extent(m2, cells_m)
            .bound_extent(i, cell_m)
            .bound_extent(j, cell_n)
            .bound_extent(u, k_split)
            .fuse(j, i, f)
            .vectorize(f)
            .unroll(n2)
            .unroll(m2)
            .unroll(u);
        acc.update()
            .reorder(r.x, j, i, n2, m2, u, r.y)
            .unroll(n2)
            .unroll(m2)
            .unroll(u)
            .atomic()
            .vectorize(i)
            .vectorize(j)
            .vectorize(r.x);
        lhs_cells.compute_at(acc, r.y)
            .store_in(MemoryType::Register)
            .bound_extent(m2, cells_m)
            .bound_extent(i, cell_m)
            .bound_extent(k, k_block)
            .bound_extent(ko, k_split)
            .fuse(k, i, f)
            .fuse(f, m2, t)
            .fuse(t, ko, t)
            .vectorize(t);
        rhs_cells.compute_at(acc, r.y)
            .store_in(MemoryType::Register)
            .bound_extent(n2, cells_n)
            .bound_extent(j, cell_n)
            .bound_extent(k, k_block)
            .bound_extent(ko, k_split)
            .fuse(k, j, f)
            .fuse(f, n2, t)
            .vectorize(t)
            .unroll(ko);
        constrain_panel(lhs_, tile_m);
        constrain_panel(rhs_, tile_n);
        for (auto* vector : {&row_scale_, &column_scale_, &bias_})
            vector->dim(0).set_min(0);
        offset_.dim(0).set_min(0);
        y_.dim(0).set_min(0);
        y_.dim(1).set_min(0);
        if (mmla) add_mmla_selection(get_pipeline());
    }

  private:
    template <typename Panel>
    void constrain_panel(Panel& panel, int tile) {
        panel.dim(0).set_bounds(0, k_block);
        panel.dim(1).set_bounds(0, tile).set_stride(k_block);
        panel.dim(2).set_min(0).set_stride(k_block * tile);
        panel.dim(3).set_min(0);
    }

    Var m{"m"}, n{"n"}, k{"k"}, i{"i"}, j{"j"}, u{"u"}, m2{"m2"}, n2{"n2"}, mo{"mo"}, no{"no"}, ko{"ko"};
    RDom r;
    Func lhs_cells{"lhs_cells"}, rhs_cells{"rhs_cells"}, acc{"acc"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GemmS8, gemm_s8)
