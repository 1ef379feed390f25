// The tiles of each level's GEMM, for levels of CPUs other than the one at hand too: what the schedules say.
#pragma once

#include <span>

#include "octile/cpu.h"
#include "octile/types.h"

namespace octile {

struct LevelTiles {
    Isa isa = Isa::kNeon;
    Precision precision = Precision::kInt8;
    int tile_m = 0;        // rows of the tallest tile; there is one for every number of rows below
    int row_step = 1;      // what tiles compute a multiple of
    int tile_n = 0;        // columns of a panel of weights; narrow tiles span several
    int lhs_bytes = 1;     // of an element in x's panel
    int weight_bytes = 1;  // of an element in the weights' panel
    // 128-bit instructions that widen one weight to the type of the arithmetic, for every tile that reads it.
    double widen = 0;
};

// All levels, each precision from the lowest up.
std::span<const LevelTiles> all_level_tiles();

// m-tiles whose rows stay in a cache while the GEMM walks over all weights once.
inline constexpr int kTilesPerBlock = 32;

}  // namespace octile
