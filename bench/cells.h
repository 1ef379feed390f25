// Octile's own cells, all through the public interface: a whole linear layer and its parts, each alone.
#pragma once

#include "bench/cell.h"
#include "bench/problem.h"
#include "octile/cpu.h"
#include "octile/linear.h"

namespace octile::bench {

// What is measured about a layer beside the shape.
struct LayerKind {
    Precision precision = Precision::kInt8;
    Activation activation = Activation::kNone;
    DataType input = DataType::kF32;
    DataType output = DataType::kF32;
};

// x -> y: what a caller of Linear::run() waits for. The problem must outlive every cell made from it.
Result<Cell> linear_cell(const Problem& problem, const LayerKind& kind, IsaSet isas);
// Linear::run() on rows that were packed before: the GEMM and what follows the sum.
Result<Cell> gemm_cell(const Problem& problem, const LayerKind& kind, IsaSet isas);
// Linear::pack_rows() alone, counted in elements.
Result<Cell> pack_rows_cell(const Problem& problem, const LayerKind& kind, IsaSet isas);
// Linear::pack() of f32 weights, counted in elements.
Result<Cell> pack_weights_cell(const Problem& problem, const LayerKind& kind, IsaSet isas);

// Reads as many bytes as the layer's packed weights take, from memory of that size: what M = 1 has to do at least.
// Counted in bytes.
Result<Cell> read_weights_cell(const Problem& problem, const LayerKind& kind, IsaSet isas);

// Level that a layer of this precision runs on.
Result<Isa> level_of(Precision precision, IsaSet isas);

}  // namespace octile::bench
