// int8 GEMM on packed panels (gemm_s8.h) for cores without a dot product: k side by side in both panels, k_block of
// them, and one output to an accumulator register, in four partial sums that are added up behind the loop.
//
// Sixteen products of int8 are two vectors of eight int16. With `wide` each is widened to int32 by itself; otherwise
// they are added first, which saves half of the widening and is exact unless all four factors are -128: 2 * 127 * 128
// < 2^15. Levels that are quantized symmetrically never are.
#include "gemm_s8.h"

namespace {

using namespace Halide;
using namespace octile::generators;
using Halide::ConciseCasts::i16;
using Halide::ConciseCasts::i32;

constexpr int kHalf = 8;   // products of one instruction
constexpr int kSums = 4;   // partial sums of an output
constexpr int kGroup = 4;  // outputs whose products are made one behind the other: in-order cores do not wait for each,
                           // and more would not fit into the registers beside accumulators and operands

class GemmS8Pairs : public GemmS8Form<GemmS8Pairs> {
  public:
    GeneratorParam<bool> wide{"wide", false};

    void generate() {
        lhs_halves(q, h, i, ko, mo) = lhs_(q + kHalf * h, i, ko, mo);
        rhs_halves(q, h, j, ko, no) = rhs_(q + kHalf * h, j % panel_n, ko, j / panel_n + panels * no);
        const auto product = [&](int half) {
            return i16(lhs_halves(q, half, i, ko, mo)) * i16(rhs_halves(q, half, j, ko, no));
        };
        low(q, j, i, ko, no, mo) = product(0);
        high(q, j, i, ko, no, mo) = wide ? product(1) : low(q, j, i, ko, no, mo) + product(1);

        acc(l, j, i, no, mo) = i32(0);
        r = RDom(0, kHalf / kSums, 0, wide ? 2 : 1, 0, lhs_.dim(2).extent());
        const Expr at = kHalf / kSums * l + r.x;
        const Expr last = high(at, j, i, r.z, no, mo);
        acc(l, j, i, no, mo) += i32(wide ? mux(r.y, {low(at, j, i, r.z, no, mo), last}) : last);

        // In the tile's own coordinates: of `n % tile_n` inside the sum Halide leaves one in four unsimplified, as a
        // gather.
        s = RDom(0, kSums);
        total(j, i, no, mo) = i32(0);
        total(j, i, no, mo) += acc(s, j, i, no, mo);
        Expr sum = total(n % tile_n(), mi, n / tile_n(), mo);
        if (asymmetric) sum -= surplus(mi) * column_sum_(n);
        define_output(sum);
    }

    void schedule() {
        Var lane, cell, group;
        Func out = schedule_output();
        row_scales.vectorize(mi);
        out.split(n, cell, lane, kSums).vectorize(lane).unroll(cell);
        total.compute_at(out, each_tile()).store_in(MemoryType::Register);
        total.bound_extent(j, tile_n()).bound_extent(i, tile_m);
        total.split(j, cell, j, kSums).vectorize(j).unroll(cell).unroll(i);
        total.update().split(j, cell, j, kSums).reorder(s, j, cell, i).atomic();
        total.update().vectorize(j).vectorize(s).unroll(cell).unroll(i);
        acc.compute_at(out, each_tile()).store_in(MemoryType::Register);
        acc.bound_extent(l, kSums).bound_extent(j, tile_n()).bound_extent(i, tile_m);
        acc.vectorize(l).unroll(j).unroll(i);
        acc.update().split(j, group, j, kGroup).reorder(r.x, l, j, r.y, group, i, r.z).atomic();
        acc.update().vectorize(l).vectorize(r.x).unroll(j).unroll(r.y).unroll(group).unroll(i);
        for (Func* products : {&low, &high}) {
            products->compute_at(acc, group).store_in(MemoryType::Register).bound_extent(ko, 1);
            products->bound_extent(q, kHalf).bound_extent(j, kGroup).vectorize(q).unroll(j);
        }
        load(lhs_halves.compute_at(acc, r.z), i, tile_m);
        // Of a single row the weights are loaded group by group: all at once they would not fit into the registers.
        if (tile_m == 1)
            load(rhs_halves.compute_at(acc, group), j, kGroup);
        else
            load(rhs_halves.compute_at(acc, r.z), j, tile_n());
    }

  private:
    void load(Func halves, Var row, int rows) {
        Var f;
        halves.store_in(MemoryType::Register).bound_extent(row, rows).bound_extent(ko, 1);
        halves.bound_extent(q, kHalf).bound_extent(h, 2).fuse(q, h, f).vectorize(f).unroll(row);
    }

    Var q{"q"}, h{"h"}, i{"i"}, j{"j"}, l{"l"}, ko{"ko"};
    RDom r, s;
    Func lhs_halves{"lhs_halves"}, rhs_halves{"rhs_halves"}, low{"low"}, high{"high"}, acc{"acc"}, total{"total"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GemmS8Pairs, gemm_s8_pairs)
