// How fast this CPU multiplies when nothing but its multipliers limits it.
#pragma once

#include <optional>

#include "bench/cell.h"
#include "octile/cpu.h"

namespace octile::bench {

// A loop of the level's int8 products on registers alone, with enough independent accumulators to hide their latency.
// Empty if there is none for this level, or if the CPU cannot run it.
std::optional<Cell> register_peak(Isa isa);

}  // namespace octile::bench
