// A small layer that is cut into pieces, and a digest of what it yields: what the programs of this folder run.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "octile/linear.h"

namespace octile::test {

// Some values between -1 and 1, always the same.
inline std::vector<float> values(std::int64_t count, std::uint32_t seed) {
    std::vector<float> made(static_cast<std::size_t>(count));
    for (float& value : made) {
        seed = seed * 1664525u + 1013904223u;
        value = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
    }
    return made;
}

inline Linear pack_layer(std::int64_t k, std::int64_t n) {
    const std::vector<float> weights = values(n * k, 1);
    Result<Linear> linear = Linear::pack({weights.data(), DataType::kF32, n, k, k}, {}, {}, usable_isas().value());
    if (!linear.ok()) std::abort();
    return std::move(linear).value();
}

class Layer {
  public:
    Layer(std::int64_t m, std::int64_t k, std::int64_t n) : m_(m), linear_(pack_layer(k, n)), x_(values(m * k, 2)) {}

    // Whether it went well; y is [m, n].
    bool run(std::vector<float>& y, Workspace& workspace) const {
        y.resize(static_cast<std::size_t>(m_ * linear_.n()));
        return linear_
            .run({x_.data(), DataType::kF32, m_, linear_.k(), linear_.k()},
                 {y.data(), DataType::kF32, m_, linear_.n(), linear_.n()}, workspace)
            .ok();
    }

    // The digest of y's bits (FNV-1a); 0 if the run fails.
    std::uint64_t run() const {
        std::vector<float> y;
        Workspace workspace;
        if (!run(y, workspace)) return 0;
        std::uint64_t digest = 14695981039346656037u;
        for (const float value : y) {
            std::uint32_t bits;
            std::memcpy(&bits, &value, sizeof bits);
            digest = (digest ^ bits) * 1099511628211u;
        }
        return digest;
    }

  private:
    std::int64_t m_;
    Linear linear_;
    std::vector<float> x_;
};

// Large enough for several pieces, small enough for a hundred runs.
inline Layer threaded_layer() {
    return {64, 512, 512};
}

}  // namespace octile::test
