// Random numbers of a test. The seed is a hash of the test's own key and of nothing else, so a failure comes back when
// that test runs alone, on any machine; no standard distribution is used, because those differ between libraries.
#pragma once

#include <cstdint>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace octile::test {

inline std::uint64_t seed_of(std::string_view key) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : key)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return hash;
}

class Random {
  public:
    explicit Random(std::string key) : key_(std::move(key)), engine_(seed_of(key_)) {}

    std::uint32_t bits() { return static_cast<std::uint32_t>(engine_() >> 32); }

    // In [0, count).
    std::uint32_t below(std::uint32_t count) {
        return static_cast<std::uint32_t>((static_cast<std::uint64_t>(bits()) * count) >> 32);
    }

    // Mean 0, variance 1, |value| <= 3.5: a sum of twelve uniform numbers. Integer arithmetic and one exact conversion.
    float normal() {
        std::int32_t sum = 0;
        for (int i = 0; i < 6; i++) {
            const std::uint32_t pair = bits();
            sum += static_cast<std::int32_t>((pair & 0xffffu) + (pair >> 16)) - 0xffff;
        }
        return static_cast<float>(sum) * 0x1p-16f;
    }

    const std::string& key() const { return key_; }

  private:
    std::string key_;
    std::mt19937_64 engine_;
};

// For INFO(): what a failing test prints.
inline std::ostream& operator<<(std::ostream& out, const Random& random) {
    return out << "seed " << seed_of(random.key()) << " of key \"" << random.key() << '"';
}

}  // namespace octile::test
