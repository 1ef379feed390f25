// FNV-1a, for golden values over many results.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace octile::reference {

class Hash {
  public:
    void add(std::uint32_t word) {
        for (int byte = 0; byte < 4; ++byte) {
            state_ = (state_ ^ (word >> 8 * byte & 0xffu)) * 0x100000001b3u;
        }
    }

    // Every NaN counts as the same: CPUs differ in the sign and payload of those they make.
    void add(float value) { add(std::isnan(value) ? 0x7fc00000u : std::bit_cast<std::uint32_t>(value)); }

    std::uint64_t value() const { return state_; }

  private:
    std::uint64_t state_ = 0xcbf29ce484222325u;
};

}  // namespace octile::reference
