#include "inputs/gguf/rope_factors.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace octile {
namespace {

// As transformers and llama.cpp's converter compute it, by how many times a frequency turns within the context.
double factor_of(const Llama3Factors& made, double frequency) {
    const double turns = static_cast<double>(made.context) * frequency / (2 * std::numbers::pi);
    if (turns < made.low) return made.factor;
    if (turns > made.high) return 1;
    const double smooth = (turns - made.low) / (made.high - made.low);
    return 1 / ((1 - smooth) / made.factor + smooth);
}

}  // namespace

std::optional<Llama3Factors> llama3_factors(std::span<const float> factors, double theta, std::uint64_t width,
                                            std::int64_t context) {
    if (factors.empty() || factors.size() != width / 2 || !(theta > 1)) return std::nullopt;
    Llama3Factors made{.factor = *std::max_element(factors.begin(), factors.end())};
    if (context > 0) made.context = context;
    if (!(made.factor > 1) || !std::isfinite(made.factor)) return std::nullopt;
    // A converter computes frequencies in f32, as powers of theta: each is off by up to ln(theta) / 2 + 2 units of
    // 2^-24, which is 8 of theta 500000. Between the ends, a factor follows at most 4/3 * `factor` times as much.
    const double tolerance = 16 * made.factor * std::ldexp(1, -24);
    for (std::size_t i = 0; i < factors.size(); i++) {
        const double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(width));
        const double expected = factor_of(made, frequency);
        if (!(std::abs(factors[i] - expected) <= tolerance * expected)) return std::nullopt;
    }
    return made;
}

}  // namespace octile
