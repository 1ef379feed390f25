// How fast this machine reads memory.
#pragma once

#include <cstddef>
#include <span>

namespace octile::bench {

// Bytes per second of one pass over `memory` on `threads` threads, each reading a part of its own in several streams.
double read_bandwidth(std::span<const std::byte> memory, int threads);

}  // namespace octile::bench
