// INT4 weights to the int8 panels of the level, which its GEMMs multiply: level = s4 * q4 + c8 (docs/quantization.md).
//
// Of a pair of panels (docs/layouts.md). Lanes are bytes, or pairs of bytes where the CPU has no product of bytes:
// what is said to be k_block elements of `lane` is k_block bytes.
//
// q4    [k_block, panel_n, K / k_block, pairs]                       a byte of two columns; K is whole groups of 32
// s4    [panel_n, G, pairs]                                          uint8; low half: first panel
// c8    [k_block * panel_n * G' / k_block, 2, pairs]                 uint8 that holds int8
// panel [k_block, out_k_block / k_block, panel_n, K / out_k_block, 2 * pairs]
//
// The second panel has q4 - 8 in its half byte, as a signed number, and c8 + 8 s4 for c8. Bytes are computed modulo
// 256. In 16 bits two levels are made at once: q4 and s4 make at most 225, and c8 is raised by 128 until the sum is
// there, so that nothing is carried from one into the other.
#include "Halide.h"

namespace {

using namespace Halide;
using Halide::ConciseCasts::i8;
using Halide::ConciseCasts::u16;
using Halide::ConciseCasts::u8;

constexpr int kGroup = 32;

class UnpackS4 : public Generator<UnpackS4> {
  public:
    GeneratorParam<int> panel_n{"panel_n", 12};
    GeneratorParam<int> k_block{"k_block", 4};
    GeneratorParam<int> out_k_block{"out_k_block", 4};
    GeneratorParam<Type> lane{"lane", UInt(8)};
    GeneratorParam<int> lanes{"lanes", 16};  // of a vector

    Input<Buffer<void, 4>> q4_{"q4"};
    Input<Buffer<std::uint8_t, 3>> s4_{"s4"};
    Input<Buffer<std::uint8_t, 3>> c8_{"c8"};
    Output<Buffer<void, 5>> panel_{"panel"};

    void configure() {
        q4_.set_type(lane);
        panel_.set_type(lane);
    }

    void generate() {
        const int block = (int)k_block * (int)panel_n;
        // From the group's own byte of the first column on.
        raw(b, h, g, p) = c8_(g % k_block + block * (g / k_block) + b, h, p);
        const Expr byte = select(h == 0, s4_(n, g, p) & 15, s4_(n, g, p) >> 4), c8 = raw(k_block * n, h, g, p);
        step(n, h, g, p) = cast(lane, byte);
        // As if q4 of the second panel were raised by 8, as those of a pair of bytes are below.
        start(n, h, g, p) = bytes() ? c8 : u16(select(h == 0, c8, c8 - 8 * byte) ^ 128) * 257;
        steps(k, half, n, h, g, p) = step(n, h, g, p);
        starts(k, half, n, h, g, p) = start(n, h, g, p);
        // Steps of k that go side by side are loaded beside one another.
        const int cell = cell_n();
        loaded(k, n, half, b, ko, p) = q4_(k, n + cell * b, halves() * ko + half, p);
        both(k, half, n, ko, p) = loaded(k, n % cell, half, n / cell, ko, p);

        const Expr of = panel % 2, pair = panel / 2, q = both(k, half, n, ko, pair);
        const Expr g_of = ko / (kGroup / (int)out_k_block);
        const Expr s = steps(k, half, n, of, g_of, pair), c = starts(k, half, n, of, g_of, pair);
        if (bytes())
            panel_(k, half, n, ko, panel) = select(of == 0, q & 15, u8(i8(q) >> 4)) * s + c;
        else
            panel_(k, half, n, ko, panel) =
                (select(of == 0, q & 0x0f0f, ((q >> 4) & 0x0f0f) ^ 0x0808) * s + c) ^ 0x8080;
    }

    void schedule() {
        // Rows of k in two panels at a time: what is stored behind one another comes in pairs of registers.
        const int k_lanes = (int)k_block / lane_bytes(), cell = cell_n(), at_once = 2;
        const int per_group = kGroup / (int)out_k_block;
        Var nv{"nv"}, group{"group"}, kb{"kb"}, ki{"ki"};
        Func out = panel_;
        out.bound(k, 0, k_lanes).bound(half, 0, halves()).bound(n, 0, panel_n);
        out.split(panel, p, h, 2, TailStrategy::RoundUp).split(ko, group, kb, per_group, TailStrategy::RoundUp);
        out.split(kb, kb, ki, at_once).split(n, n, nv, cell).reorder(k, half, nv, n, ki, h, kb, group, p);
        out.vectorize(k).vectorize(half).vectorize(nv).unroll(n).unroll(ki).unroll(h).unroll(kb);
        const auto in_registers = [&](Func f, auto at) {
            f.compute_at(out, at).store_in(MemoryType::Register);
            return f;
        };
        for (Func wide : {steps, starts}) {
            in_registers(wide, group).bound_extent(k, k_lanes).bound_extent(half, halves());
            wide.bound_extent(n, panel_n).bound_extent(h, 2).split(n, n, nv, cell).reorder(k, half, nv, n, h);
            wide.vectorize(k).vectorize(half).vectorize(nv).unroll(n).unroll(h);
        }
        in_registers(step, group).bound_extent(n, panel_n).bound_extent(h, 2).vectorize(n).unroll(h);
        if (!bytes()) in_registers(start, group).bound_extent(n, panel_n).bound_extent(h, 2).vectorize(n).unroll(h);
        in_registers(raw, group).bound_extent(h, 2);
        raw.bound_extent(b, (int)k_block * (int)panel_n).vectorize(b).unroll(h);
        if (halves() > 1) {
            in_registers(loaded, kb).bound_extent(k, k_lanes).bound_extent(n, cell).bound_extent(half, halves());
            loaded.bound_extent(b, (int)panel_n / cell).bound_extent(ko, at_once);
            loaded.fuse(k, n, t).vectorize(t).unroll(half).unroll(b).unroll(ko);
        }
        in_registers(both, kb).bound_extent(k, k_lanes).bound_extent(half, halves()).bound_extent(n, panel_n);
        both.bound_extent(ko, at_once).split(n, n, nv, cell).reorder(k, half, nv, n, ko);
        both.vectorize(k).vectorize(half).vectorize(nv).unroll(n).unroll(ko);

        q4_.dim(0).set_bounds(0, k_lanes);
        q4_.dim(1).set_bounds(0, panel_n).set_stride(k_lanes);
        q4_.dim(2).set_min(0).set_stride(k_lanes * (int)panel_n);
        q4_.dim(3).set_min(0);
        s4_.dim(0).set_bounds(0, panel_n);
        s4_.dim(1).set_min(0).set_stride(panel_n);
        s4_.dim(2).set_min(0);
        c8_.dim(0).set_min(0);
        c8_.dim(1).set_bounds(0, 2);
        c8_.dim(2).set_min(0);
        panel_.dim(0).set_bounds(0, k_lanes);
        panel_.dim(1).set_bounds(0, halves()).set_stride(k_lanes);
        panel_.dim(2).set_bounds(0, panel_n).set_stride(k_lanes * halves());
        panel_.dim(3).set_min(0).set_stride(k_lanes * halves() * (int)panel_n);
        panel_.dim(4).set_min(0);
    }

  private:
    int lane_bytes() const { return ((Type)lane).bytes(); }
    bool bytes() const { return lane_bytes() == 1; }
    int cell_n() const { return (int)lanes / ((int)k_block / lane_bytes()); }
    int halves() const { return (int)out_k_block / (int)k_block; }

    Var k{"k"}, half{"half"}, n{"n"}, ko{"ko"}, panel{"panel"}, h{"h"}, p{"p"}, g{"g"}, b{"b"}, t{"t"};
    Func raw{"raw"}, step{"step"}, start{"start"}, steps{"steps"}, starts{"starts"}, loaded{"loaded"}, both{"both"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(UnpackS4, unpack_s4)
