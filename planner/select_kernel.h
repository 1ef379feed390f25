// Which of several tile heights runs M rows in the fewest steps.
#pragma once

#include <cstdint>
#include <span>

#include "planner/kernel_info.h"

namespace octile {

// Steps that a GEMM of this tile height takes for m rows and one column panel, in units of one row of products: every
// tile multiplies all its rows, wanted or not, and loads its operands once more.
double tile_steps(int tile_m, std::int64_t m);

// Index of the kernel that needs the fewest steps; ties go to the taller tile. Precondition: `tiles_m` is not empty, m
// >= 1.
std::size_t select_tile(std::span<const int> tiles_m, std::int64_t m);

}  // namespace octile
