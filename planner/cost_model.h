// How long a linear takes on a core, in either precision: docs/planner.md derives the formulas. Pure arithmetic.
#pragma once

#include <cstdint>

#include "octile/core.h"
#include "octile/layer.h"
#include "octile/plan.h"
#include "planner/level_tiles.h"

namespace octile {

// One side of a linear, the parts unrounded, `input` for a panel of its own.
struct SideTime {
    double input_us = 0, gemm_us = 0, epilogue_us = 0;
    Bound bound = Bound::kCompute;
    Isa isa = Isa::kNeon;
    bool measured = false;

    double total_us() const { return input_us + gemm_us + epilogue_us; }
};

// What a linear asks of a level's kernels, whatever the core: the quantities that its figures multiply.
struct LinearWork {
    std::int64_t tiles_m = 0, panels_n = 0;
    double input = 0;    // elements of x's panel, padding included
    double macs = 0;     // multiply-accumulates, padding included
    double tiles = 0;    // of the output
    double outputs = 0;  // elements of y
    double widened =
        0;  // weights, counted for every tile that widens them, times LevelTiles::widen: 128-bit instructions
    double weights = 0;  // bytes of their panel
};

LinearWork work_of(const Layer& linear, const LevelTiles& level);

// The tiles of one level and precision. Precondition: the level has kernels of that precision.
const LevelTiles& level_tiles(Isa isa, Precision precision);

class CostModel {
  public:
    // Keeps a reference to the core.
    CostModel(const Core& core, int threads);

    // On the level that the core is fastest with. Precondition: a linear with extents from 1 up.
    SideTime time(const Layer& linear, Precision precision) const;

    // Turning m x k values from INT8 into floating point or back, as a pass of its own.
    double convert_us(std::int64_t m, std::int64_t k) const;

  private:
    // `unpacks`: INT4, for INT8's kernels.
    SideTime time_on(const Layer& linear, const LevelTiles& level, double macs_per_cycle, bool unpacks) const;

    // The first level of cache that holds so many bytes (by all threads together, if `spread`), or caches.size() for
    // memory.
    std::size_t level_of(double bytes, bool spread) const;
    // Cycles in which one thread, beside the others, reads a byte from there.
    double cycles_per_byte(std::size_t level) const;
    // The part of `tasks` equal tasks that the busiest thread gets.
    double share(std::int64_t tasks) const;
    double microseconds(double cycles) const { return cycles / (core_.clock_ghz * 1e3); }
    double started(double us, std::int64_t tasks) const;

    const Core& core_;
    int threads_;
};

}  // namespace octile
