// Numbers for layers that nobody has data for: the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace octile {

// FNV-1a of a layer's name: the same seed for the same name everywhere, which std::hash does not promise.
std::uint64_t seed_of(std::string_view name);

// Roughly normal around 0: the sum of four uniform bytes of std::mt19937, so that it does not depend on a library's
// distribution. No value is beyond 3.45 deviations.
std::vector<float> normal_values(std::size_t count, std::uint64_t seed, float deviation);

}  // namespace octile
