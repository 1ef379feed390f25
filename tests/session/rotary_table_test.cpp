// Angles of rotary embeddings: near the C library's, and the same bits on every CPU.
#include "session/rotary_table.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/reference/hash.h"

namespace octile::test {
namespace {

double frequency_of(const Rotary& rotary, std::int64_t pair, std::int64_t half) {
    const double plain = std::pow(rotary.theta, -static_cast<double>(pair) / static_cast<double>(half));
    if (!rotary.scaling) return plain;
    const double context = static_cast<double>(rotary.scaling->original_context), wavelength = 2 * M_PI / plain;
    const double low = context / rotary.scaling->low_frequency, high = context / rotary.scaling->high_frequency;
    if (wavelength > low) return plain / rotary.scaling->factor;
    if (wavelength < high) return plain;
    const double smooth = (context / wavelength - rotary.scaling->low_frequency) /
                          (rotary.scaling->high_frequency - rotary.scaling->low_frequency);
    return (1 - smooth) * plain / rotary.scaling->factor + smooth * plain;
}

struct Case {
    Rotary rotary;
    std::int64_t head, positions;
    std::uint64_t golden;  // changes only together with docs/quantization.md
};

const Case kCases[] = {{{10000}, 64, 4096, 0x1351667792a36379},
                       {{1000000}, 128, 3000, 0xe3778b9f2dc4db8c},
                       {{500000, RotaryScaling{32, 1, 4, 8192}}, 64, 20000, 0x1861256aee348899}};

TEST_CASE("angles are within an ulp of double's, and the same bits everywhere") {
    for (const Case& c : kCases) {
        const RotaryTable table = make_rotary_table(c.rotary, c.head, c.positions);
        REQUIRE(table.half == c.head / 2);
        REQUIRE(std::ssize(table.cos) == c.positions * table.half);
        double worst = 0;
        reference::Hash hash;
        for (std::int64_t position = 0; position < c.positions; position++) {
            for (std::int64_t pair = 0; pair < table.half; pair++) {
                const auto at = static_cast<std::size_t>(position * table.half + pair);
                const double angle = static_cast<double>(position) * frequency_of(c.rotary, pair, table.half);
                worst = std::max(
                    {worst, std::abs(table.cos[at] - std::cos(angle)), std::abs(table.sin[at] - std::sin(angle))});
                hash.add(table.cos[at]);
                hash.add(table.sin[at]);
            }
        }
        // Half an ulp of 1, and what the angle is off: a few roundings of a position.
        CHECK(worst <= 0x1p-25 + 1e-11 * static_cast<double>(c.positions) / 1000);
        INFO(std::hex << "0x" << hash.value());
        CHECK(hash.value() == c.golden);
    }
}

}  // namespace
}  // namespace octile::test
