// GEMM of INT4 weights for few rows: q4 are unpacked in registers, and what a group adds to an output is one product,
// s4 times the group's sum of q4 x. Of weights in pairs of panels (docs/layouts.md), two columns to a byte:
//
//   y[n, m] = f32(sum_k (x[m, k] - zero_point[m]) * level[n, k]) * (row_scale[m] * column_scale[n]) + bias[n]
//   sum_k x[m, k] * level[n, k] = sum_g s4[n, g] * (sum_{k in g} q[n, k] * x[m, k]) + sum_g c8[n, g] * X[m, g]
//
// Group by group, of a byte b = 16 * high + low, low from 0 to 15 and high from -8 to 7, two sums are made: that of
// (b & 15) x is the first column's, and that of b x has it in excess of 16 times the second's. X[m, g], the group's sum
// of x, comes in parts that fit an element of x (group_sums_generator.cpp), and c8 times them is a product like others.
//
// lhs  [lhs_k_block, panel_m, K / lhs_k_block]       rows of x, as INT8's GEMM has them; type `lhs_type`. The first
//                                                    tile_m rows from where the buffer begins are read
// sums [k_block, parts, rows, G' / k_block]          X, groups padded with zeros to k_block
// q4   [k_block, panel_n, K / k_block, pairs]        a byte of two columns; K is whole groups of 32
// s4   [panel_n, G, pairs]                           low half: first panel
// c8   [k_block, panel_n, G' / k_block, 2, pairs]    of the second panel, which has q - 8 for q, c8 + 8 s4
// row_scale f32, zero_point int32 [tile_m]; column_scale, bias f32, column_sum int32 [2 * panel_n * pairs]
// y    [cell_n, panel_n / cell_n, 2, tile_m, pairs]  f32, a view of rows: cells of a panel, panels of a pair
#include "Halide.h"

namespace {

using namespace Halide;
using Halide::ConciseCasts::i32;
using Halide::ConciseCasts::u16;

constexpr int kGroup = 32;
constexpr int kPartBits = 7;

class GemmS4 : public Generator<GemmS4> {
  public:
    GeneratorParam<int> tile_m{"tile_m", 1};
    GeneratorParam<int> panel_m{"panel_m", 8};
    GeneratorParam<int> panel_n{"panel_n", 12};
    GeneratorParam<int> k_block{"k_block", 4};
    GeneratorParam<int> lhs_k_block{"lhs_k_block", 4};
    GeneratorParam<Type> lhs_type{"lhs_type", Int(8)};
    GeneratorParam<int> cell_n{"cell_n", 4};  // columns of one accumulator register
    GeneratorParam<int> cells{"cells", 3};    // such registers of each panel in a tile
    GeneratorParam<int> parts{"parts", 2};    // of a group's sum of x

    Input<Buffer<void, 3>> lhs_{"lhs"};
    Input<Buffer<void, 4>> sums_{"sums"};
    Input<Buffer<std::int8_t, 4>> q4_{"q4"};
    Input<Buffer<std::uint8_t, 3>> s4_{"s4"};
    Input<Buffer<std::int8_t, 5>> c8_{"c8"};
    Input<Buffer<float, 1>> row_scale_{"row_scale"};
    Input<Buffer<std::int32_t, 1>> zero_point_{"zero_point"};
    Input<Buffer<float, 1>> column_scale_{"column_scale"};
    Input<Buffer<float, 1>> bias_{"bias"};
    Input<Buffer<std::int32_t, 1>> column_sum_{"column_sum"};
    Output<Buffer<float, 5>> y_{"y"};

    void configure() {
        lhs_.set_type(lhs_type);
        sums_.set_type(lhs_type);
    }

    void generate() {
        const int halves = (int)lhs_k_block / (int)k_block, steps = kGroup / (int)k_block;
        const Type wide = ((Type)lhs_type).bits() == 16 ? Int(16) : Int(8);
        rows(k, m, ko) = lhs_(k, m, ko);
        const auto x = [&](const Expr& k_in, const Expr& step, const Expr& g) {
            return rows(k_in + k_block * (step % halves), m, g * (steps / halves) + step / halves);
        };
        const Expr column = c + cell_n * u;

        // c8 times the sums of x, each part by itself.
        r_sums = RDom(0, k_block, 0, sums_.dim(3).extent());
        shifts(c, u, h, part, m, p) = i32(0);
        shifts(c, u, h, part, m, p) +=
            i32(sums_(r_sums.x, part, m, r_sums.y)) * i32(cast(wide, c8_(r_sums.x, column, r_sums.y, h, p)));

        r = RDom(0, k_block, 0, steps);
        bytes(k, c, u, step, g, p) = cast(wide, q4_(k, column, step + steps * g, p));
        const Expr both = bytes(r.x, c, u, r.y, g, p);
        sum(c, u, h, m, g, p) = i32(0);
        sum(c, u, h, m, g, p) += i32(x(r.x, r.y, g)) * i32(select(h == 0, both & cast(wide, 15), both));

        // By way of 16 bits, or four bytes of a register at a time are taken apart.
        const Expr s4 = s4_(n, g, p);
        nibbles(n, h, g, p) = u16(select(h == 0, s4 & cast<std::uint8_t>(15), s4 >> 4));
        scales(c, u, h, g, p) = i32(nibbles(column, h, g, p));

        // An unsigned left-hand side holds its elements + 128.
        const int excess = ((Type)lhs_type).is_uint() ? 128 : 0;
        Expr start = -(zero_point_(m) + excess) * column_sum_(place());
        for (int i = 0; i < parts; i++)
            start += shifts(c, u, h, i, m, p) << (kPartBits * i);
        groups = RDom(0, s4_.dim(1).extent());
        acc(c, u, h, m, p) = start;
        const Expr low = sum(c, u, 0, m, groups, p), all = sum(c, u, 1, m, groups, p);
        acc(c, u, h, m, p) += select(h == 0, low, (all - low) >> 4) * scales(c, u, h, groups, p);
        y_(c, u, h, m, p) =
            strict_float(cast<float>(acc(c, u, h, m, p)) * (row_scale_(m) * column_scale_(place())) + bias_(place()));
    }

    void schedule() {
        const int of_panel = (int)panel_n / (int)cell_n;
        Var uo{"uo"};
        Func out = y_;
        out.bound(c, 0, cell_n).bound(u, 0, of_panel).bound(h, 0, 2).bound(m, 0, tile_m);
        out.split(u, uo, u, cells).reorder(c, u, h, m, uo, p).vectorize(c).unroll(u).unroll(h).unroll(m);
        const auto tile = [&](Func f, auto at_func, auto at) {
            f.compute_at(at_func, at).store_in(MemoryType::Register);
            f.bound_extent(c, cell_n).bound_extent(u, cells).bound_extent(h, 2).bound_extent(m, tile_m);
            f.vectorize(c).unroll(u).unroll(h).unroll(m);
        };
        tile(acc, out, uo);
        acc.update().reorder(c, u, h, m, groups).vectorize(c).unroll(u).unroll(h).unroll(m);
        tile(shifts, out, uo);
        shifts.bound_extent(part, parts).unroll(part);
        shifts.update().reorder(r_sums.x, c, part, u, h, m, r_sums.y).atomic();
        shifts.update().vectorize(c).vectorize(r_sums.x).unroll(part).unroll(u).unroll(h).unroll(m);
        tile(sum, acc, groups);
        sum.update().reorder(r.x, c, h, m, u, r.y).atomic();
        sum.update().vectorize(c).vectorize(r.x).unroll(h).unroll(m).unroll(u).unroll(r.y);
        bytes.compute_at(sum, u).store_in(MemoryType::Register).bound_extent(k, k_block).bound_extent(c, cell_n);
        bytes.fuse(k, c, t).vectorize(t);
        nibbles.compute_at(acc, groups).store_in(MemoryType::Register).bound_extent(h, 2);
        nibbles.bound_extent(n, (int)cell_n * (int)cells).vectorize(n, cell_n).unroll(n).unroll(h);
        scales.compute_at(acc, groups).store_in(MemoryType::Register).bound_extent(h, 2);
        scales.bound_extent(c, cell_n).bound_extent(u, cells).fuse(c, u, t).vectorize(t).unroll(h);
        // A step's x of a row are repeated by a load of their own on x86; Arm's products take them as an element of a
        // register, of what lies side by side.
        const int lhs_rows = panel_m <= 2 ? (int)panel_m : (int)tile_m;
        const bool by_element = get_target().arch == Target::ARM, whole_panel = lhs_rows == panel_m;
        rows.compute_at(acc, groups).store_in(MemoryType::Register);
        rows.bound_extent(k, lhs_k_block).bound_extent(m, lhs_rows).bound_extent(ko, kGroup / (int)lhs_k_block);
        if (by_element && whole_panel)
            rows.fuse(k, m, t).fuse(t, ko, t).vectorize(t, 16).unroll(t);
        else if (by_element)
            rows.fuse(k, m, t).vectorize(t).unroll(ko);
        else
            rows.vectorize(k).unroll(m).unroll(ko);

        lhs_.dim(0).set_bounds(0, lhs_k_block);
        lhs_.dim(1).set_min(0).set_stride(lhs_k_block);
        lhs_.dim(2).set_min(0).set_stride((int)lhs_k_block * (int)panel_m);
        sums_.dim(0).set_bounds(0, k_block);
        sums_.dim(1).set_bounds(0, parts).set_stride(k_block);
        sums_.dim(2).set_min(0).set_stride((int)k_block * (int)parts);
        sums_.dim(3).set_min(0);
        q4_.dim(0).set_bounds(0, k_block);
        q4_.dim(1).set_bounds(0, panel_n).set_stride(k_block);
        q4_.dim(2).set_min(0).set_stride((int)k_block * (int)panel_n);
        q4_.dim(3).set_min(0);
        s4_.dim(0).set_bounds(0, panel_n);
        s4_.dim(1).set_min(0).set_stride(panel_n);
        s4_.dim(2).set_min(0);
        c8_.dim(0).set_bounds(0, k_block);
        c8_.dim(1).set_bounds(0, panel_n).set_stride(k_block);
        c8_.dim(2).set_min(0).set_stride((int)k_block * (int)panel_n);
        c8_.dim(3).set_bounds(0, 2);
        c8_.dim(4).set_min(0);
        row_scale_.dim(0).set_bounds(0, tile_m);
        zero_point_.dim(0).set_bounds(0, tile_m);
        for (auto* vector : {&column_scale_, &bias_})
            vector->dim(0).set_min(0);
        column_sum_.dim(0).set_min(0);
        y_.dim(0).set_bounds(0, cell_n);
        y_.dim(1).set_bounds(0, of_panel).set_stride(cell_n);
        y_.dim(2).set_bounds(0, 2).set_stride(panel_n);
        y_.dim(3).set_bounds(0, tile_m);
        y_.dim(4).set_min(0).set_stride(2 * panel_n);
    }

  private:
    // Of an output's column among those of all pairs.
    Expr place() { return c + cell_n * u + panel_n * h + 2 * panel_n * p; }

    Var c{"c"}, u{"u"}, h{"h"}, m{"m"}, p{"p"}, k{"k"}, ko{"ko"}, n{"n"}, g{"g"}, part{"part"}, step{"step"}, t{"t"};
    RDom r, r_sums, groups;
    Func rows{"rows"}, bytes{"bytes"}, sum{"sum"}, nibbles{"nibbles"}, scales{"scales"}, shifts{"shifts"}, acc{"acc"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GemmS4, gemm_s4)
