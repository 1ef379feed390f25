#include "calibration/synthetic.h"

#include <random>

namespace octile {

std::uint64_t seed_of(std::string_view name) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (char c : name)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return hash;
}

std::vector<float> normal_values(std::size_t count, std::uint64_t seed, float deviation) {
    constexpr float kByteDeviation = 147.8f;  // of the sum of four: sqrt(4 * (256^2 - 1) / 12)
    std::mt19937 generator(static_cast<std::mt19937::result_type>(seed ^ (seed >> 32)));
    std::vector<float> values(count);
    for (float& value : values) {
        const std::uint32_t bits = static_cast<std::uint32_t>(generator());
        const int sum =
            static_cast<int>((bits & 255u) + ((bits >> 8) & 255u) + ((bits >> 16) & 255u) + (bits >> 24)) - 510;
        value = deviation * static_cast<float>(sum) / kByteDeviation;
    }
    return values;
}

}  // namespace octile
