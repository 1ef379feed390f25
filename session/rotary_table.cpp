#include "session/rotary_table.h"

#include <cmath>
#include <cstddef>

#include "session/elementary.h"

namespace octile {
namespace {

struct Turn {
    double cos, sin;
};

// Of x from 0 to 2^24 or so, by quarters of a turn.
Turn turn(double x) {
    // pi / 2 in three parts, of which the first two have 33 bits: their products with n are exact.
    constexpr double kHigh = 0x1.921fb544p+0, kMiddle = 0x1.0b4611a6p-34, kLow = 0x1.3198a2e037073p-69;
    const double n = std::nearbyint(x * 0x1.45f306dc9c883p-1);
    const double r = ((x - n * kHigh) - n * kMiddle) - n * kLow, t = r * r;
    double cos = 1, sin = 1;
    for (int term = 20; term >= 2; term -= 2) {
        cos = 1 - cos * t / (term * (term - 1));
        sin = 1 - sin * t / (term * (term + 1));
    }
    sin *= r;
    switch (static_cast<std::int64_t>(n) & 3) {
        case 0:
            return {cos, sin};
        case 1:
            return {-sin, cos};
        case 2:
            return {-cos, -sin};
        default:
            return {sin, -cos};
    }
}

double scaled(double frequency, const RotaryScaling& scaling) {
    constexpr double kTwoPi = 0x1.921fb54442d18p+2;
    const double waves = static_cast<double>(scaling.original_context) * frequency / kTwoPi;
    if (waves <= scaling.low_frequency) return frequency / scaling.factor;
    if (waves >= scaling.high_frequency) return frequency;
    const double kept = (waves - scaling.low_frequency) / (scaling.high_frequency - scaling.low_frequency);
    return (1 - kept) * frequency / scaling.factor + kept * frequency;
}

}  // namespace

RotaryTable make_rotary_table(const Rotary& rotary, std::int64_t head, std::int64_t positions) {
    RotaryTable table;
    table.half = head / 2;
    const double log_theta = logarithm(rotary.theta);
    std::vector<double> frequencies;
    for (std::int64_t pair = 0; pair < table.half; pair++) {
        const double frequency = exponential(-log_theta * static_cast<double>(pair) / static_cast<double>(table.half));
        frequencies.push_back(rotary.scaling ? scaled(frequency, *rotary.scaling) : frequency);
    }
    table.cos.reserve(static_cast<std::size_t>(positions * table.half));
    table.sin.reserve(static_cast<std::size_t>(positions * table.half));
    for (std::int64_t position = 0; position < positions; position++) {
        for (const double frequency : frequencies) {
            const Turn at = turn(static_cast<double>(position) * frequency);
            table.cos.push_back(static_cast<float>(at.cos));
            table.sin.push_back(static_cast<float>(at.sin));
        }
    }
    return table;
}

}  // namespace octile
