// Lowering passes that give Halide 21 the matrix-multiply-accumulate form of int8 tiles (FEAT_I8MM), for which its Arm
// back end has no pattern. Both run at the end of lowering, as custom passes of a Pipeline.
#pragma once

#include "Halide.h"

namespace octile::generators {

// Replaces every product of int8 cells by the carrier of smmla.
//
// A cell of two rows by two columns by eight k, written as an ordinary reduction and vectorized over (k, column, row),
// arrives here as
//
//   vector_reduce_add(int32(widening_mul(shuffle(columns), shuffle(rows))))     4 results per 128-bit segment
//
// where the shuffles repeat the pair of columns (lanes 0..15, 0..15) and each row twice (0..7, 0..7, 8..15, 8..15):
// smmla's definition. The carrier has the same operands and is 4-way instead of 8-way,
//
//   vector_reduce_add(int32(widening_mul(u8(rows), u8(columns))))
//
// which the back end emits as the intrinsic aarch64.neon.udot (aarch64.sve.udot). Its type signature is exactly that of
// aarch64.neon.smmla (aarch64.sve.smmla), and no kernel of ours multiplies u8 by u8, so that renaming the intrinsic in
// the emitted IR (finish_ir.py) completes the selection. The carrier means nothing without the rename; finish_ir.py
// counts both sides.
//
// With scalable vectors, a register holds a row of cells, one per segment of 128 bits, all with the same two rows. The
// load of those 16 bytes becomes one of a whole vector, the second carrier: finish_ir.py makes of it the load that
// repeats 16 bytes in every segment (ld1rq), which Halide cannot say either.
//
// A reduction of int8 products that is not such a cell throws Halide::CompileError: a tile that fell back to other
// instructions would be correct and several times slower.
void add_mmla_selection(Halide::Pipeline pipeline);

// The passes themselves, for tests.
class SelectMmla : public Halide::Internal::IRMutator {
  public:
    int cells() const { return cells_; }  // replaced so far

  protected:
    using Halide::Internal::IRMutator::visit;
    Halide::Expr visit(const Halide::Internal::VectorReduce* op) override;

  private:
    int cells_ = 0;
};

// Reads a row of the output out of 2x2 cells. Halide's simplifier makes of such a read interleave(acc[ramp(b, 4, 2)],
// acc[ramp(b + 1, 4, 2)]), which LLVM turns into ext, zip and st2, about 13 instructions for 8 outputs, and into
// malformed IR with scalable vectors. Every other 64-bit element of two whole registers is one zip, or uzp, per vector.
class SelectPairs : public Halide::Internal::IRMutator {
  protected:
    using Halide::Internal::IRMutator::visit;
    Halide::Expr visit(const Halide::Internal::Shuffle* op) override;
};

}  // namespace octile::generators
