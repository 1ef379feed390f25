// Sums of x over the groups of INT4 weights, which are to be multiplied by the groups' c8 (gemm_s4_generator.cpp).
//
// lhs  [lhs_k_block, panel_m, K / lhs_k_block]        a panel of x, K whole groups of 32; element type `lhs_type`
// sums [k_block, parts, sums_m, G' / k_block]         of the panel's first sums_m rows; zeros behind the last group
//
// A sum is at most 32 * 128 in magnitude, or 32 * 255. It comes in parts that fit an element of x, part i worth 128^i.
#include "Halide.h"

namespace {

using namespace Halide;
using Halide::ConciseCasts::i32;

constexpr int kGroup = 32;
constexpr int kPartBits = 7;

class GroupSums : public Generator<GroupSums> {
  public:
    GeneratorParam<int> panel_m{"panel_m", 8};
    GeneratorParam<int> sums_m{"sums_m", 8};
    GeneratorParam<int> k_block{"k_block", 4};
    GeneratorParam<int> lhs_k_block{"lhs_k_block", 4};
    GeneratorParam<Type> lhs_type{"lhs_type", Int(8)};
    GeneratorParam<int> parts{"parts", 2};

    Input<Buffer<void, 3>> lhs_{"lhs"};
    Output<Buffer<void, 4>> sums_{"sums"};

    void configure() {
        lhs_.set_type(lhs_type);
        sums_.set_type(lhs_type);
    }

    void generate() {
        const int steps = kGroup / (int)lhs_k_block;
        const Expr groups = lhs_.dim(2).extent() / steps;
        r = RDom(0, lhs_k_block, 0, steps);
        sum(m, g) = i32(0);
        sum(m, g) += i32(lhs_(r.x, m, steps * min(g, groups - 1) + r.y));
        const Expr group = k + k_block * ko, whole = sum(m, group);
        Expr of_part = parts > 1 ? (whole >> (kPartBits * part)) : whole;
        of_part = select(part < parts - 1, of_part & ((1 << kPartBits) - 1), of_part);
        sums_(k, part, m, ko) = cast((Type)lhs_type, select(group < groups, of_part, 0));
    }

    void schedule() {
        Func out = sums_;
        out.bound(k, 0, k_block).bound(part, 0, parts).bound(m, 0, sums_m).unroll(k).unroll(part);
        sum.compute_at(out, ko).store_in(MemoryType::Register).bound_extent(m, sums_m).bound_extent(g, k_block);
        sum.update().reorder(r.x, m, r.y, g).atomic().vectorize(r.x).unroll(r.y);
        if (sums_m > 1) {
            out.vectorize(m);
            sum.vectorize(m);
            sum.update().vectorize(m);
        }
        lhs_.dim(0).set_bounds(0, lhs_k_block);
        lhs_.dim(1).set_bounds(0, panel_m).set_stride(lhs_k_block);
        lhs_.dim(2).set_min(0).set_stride((int)lhs_k_block * (int)panel_m);
        sums_.dim(0).set_bounds(0, k_block);
        sums_.dim(1).set_bounds(0, parts).set_stride(k_block);
        sums_.dim(2).set_bounds(0, sums_m).set_stride((int)k_block * (int)parts);
        sums_.dim(3).set_min(0).set_stride((int)k_block * (int)parts * (int)sums_m);
    }

  private:
    Var k{"k"}, part{"part"}, m{"m"}, ko{"ko"}, g{"g"};
    RDom r;
    Func sum{"sum"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GroupSums, group_sums)
