// Memory planned ahead: values that are never alive at once may lie in the same place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octile {

// A value from the step that writes it to the last that reads it.
struct Lifetime {
    std::size_t bytes = 0;
    std::size_t first = 0, last = 0;

    bool overlaps(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

struct ArenaPlan {
    std::vector<std::size_t> offsets;  // of each value, multiples of kArenaAlignment
    std::size_t bytes = 0;             // of the arena
    std::size_t least = 0;             // alive at once at the worst step: no plan needs less
    std::size_t sum = 0;               // of all values, side by side
};

inline constexpr std::size_t kArenaAlignment = 64;

// The largest values first, each at the lowest place where it is in nobody's way.
ArenaPlan plan_arena(std::span<const Lifetime> values);

}  // namespace octile
