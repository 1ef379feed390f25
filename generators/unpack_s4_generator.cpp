// INT4 weights to the int8 panels of the level, which its GEMMs multiply: level = s4 * q4 + c8 (docs/quantization.md).
//
// A pair of panels is stored as one, in the panel's own order: each byte holds the q4 of its place in the first panel
// in its low half, and of the same place in the second in its high half. All buffers of 16 bits are views of bytes.
//
// q4    [panel_n * k_block / 2, K / k_block, pairs]       uint16
// s4    [panel_n, K / 32, pairs]                          uint8: low half for the first panel, high half for the second
// c8    [panel_n, 2, K / 32, pairs]                       uint8 that holds int8
// panel [panel_n * k_block / 2, K / k_block, 2, pairs]    uint16
//
// K is a multiple of 32. Two levels are made at once, in 16 bits: q4 and s4 make at most 225, and c8 is raised by 128
// until the sum is there, so that nothing is carried from one into the other.
#include "Halide.h"

namespace {

using namespace Halide;
using Halide::ConciseCasts::u16;

constexpr int kGroup = 32;

class UnpackS4 : public Generator<UnpackS4> {
  public:
    GeneratorParam<int> panel_n{"panel_n", 12};
    GeneratorParam<int> k_block{"k_block", 4};
    GeneratorParam<int> lanes{"lanes", 8};  // pairs of levels in a vector

    Input<Buffer<uint16_t, 3>> q4_{"q4"};
    Input<Buffer<uint8_t, 3>> s4_{"s4"};
    Input<Buffer<uint8_t, 4>> c8_{"c8"};
    Output<Buffer<uint16_t, 4>> panel_{"panel"};

    void generate() {
        step(n, h, g, p) = u16(select(h == 0, s4_(n, g, p) & 15, s4_(n, g, p) >> 4));
        start(n, h, g, p) = u16(c8_(n, h, g, p) ^ 128) * 257;
        // Of all pairs of levels of a column.
        steps(i, h, g, p) = step(i / ((int)k_block / 2), h, g, p);
        starts(i, h, g, p) = start(i / ((int)k_block / 2), h, g, p);
        Expr both = q4_(i, ko, p);
        Expr q = select(h == 0, both, both >> 4) & 0x0f0f;
        Expr g_of = ko / (kGroup / (int)k_block);
        panel_(i, ko, h, p) = (q * steps(i, h, g_of, p) + starts(i, h, g_of, p)) ^ 0x8080;
    }

    void schedule() {
        const int width = (int)panel_n * (int)k_block / 2;
        Var vi{"vi"}, group{"group"}, kb{"kb"};
        Func out = panel_;
        out.bound(i, 0, width).bound(h, 0, 2);
        out.split(ko, group, kb, kGroup / (int)k_block, TailStrategy::RoundUp).reorder(i, h, kb, group, p);
        out.split(i, vi, i, lanes).vectorize(i).unroll(vi).unroll(h);
        for (Func wide : {steps, starts}) {
            wide.compute_at(out, group).store_in(MemoryType::Register).bound_extent(i, width).bound_extent(h, 2);
            wide.split(i, vi, i, lanes).vectorize(i).unroll(vi).unroll(h);
        }
        for (Func narrow : {step, start}) {
            narrow.compute_at(out, group).store_in(MemoryType::Register).bound_extent(n, panel_n).bound_extent(h, 2);
            narrow.vectorize(n).unroll(h);
        }
        q4_.dim(0).set_bounds(0, width);
        q4_.dim(1).set_min(0).set_stride(width);
        q4_.dim(2).set_min(0);
        s4_.dim(0).set_bounds(0, panel_n);
        s4_.dim(1).set_min(0).set_stride(3 * (int)panel_n);
        s4_.dim(2).set_min(0);
        c8_.dim(0).set_bounds(0, panel_n);
        c8_.dim(1).set_bounds(0, 2).set_stride(panel_n);
        c8_.dim(2).set_min(0).set_stride(3 * (int)panel_n);
        c8_.dim(3).set_min(0);
        panel_.dim(0).set_bounds(0, width);
        panel_.dim(1).set_min(0).set_stride(width);
        panel_.dim(2).set_bounds(0, 2);
        panel_.dim(3).set_min(0);
    }

  private:
    Var i{"i"}, ko{"ko"}, h{"h"}, p{"p"}, n{"n"}, g{"g"};
    Func step{"step"}, start{"start"}, steps{"steps"}, starts{"starts"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(UnpackS4, unpack_s4)
