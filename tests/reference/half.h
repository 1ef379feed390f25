// IEEE binary16 and bfloat16 as bits, converted by integer arithmetic alone: no compiler's or CPU's own type is
// trusted.
#pragma once

#include <bit>
#include <cstdint>

namespace octile::reference {

// Exact. A NaN keeps its sign and payload, and becomes quiet.
inline float half_to_float(std::uint16_t half) {
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
    const std::uint32_t exponent = (half >> 10) & 31u;
    std::uint32_t fraction = half & 1023u;
    if (exponent == 31) {
        const std::uint32_t quiet = fraction ? 0x00400000u : 0u;
        return std::bit_cast<float>(sign | 0x7f800000u | quiet | fraction << 13);
    }
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
    if (fraction == 0) return std::bit_cast<float>(sign);
    // A subnormal half is a normal float: move its leading one to where the implicit bit is.
    std::uint32_t float_exponent = 113;
    while (!(fraction & 1024u)) {
        fraction <<= 1;
        --float_exponent;
    }
    return std::bit_cast<float>(sign | float_exponent << 23 | (fraction & 1023u) << 13);
}

// To nearest, ties to even; from 65520 on to infinity; subnormal results are kept. A NaN keeps its sign and the upper
// bits of its payload, and becomes quiet, as the instructions of Arm and x86 do it.
inline std::uint16_t float_to_half(float value) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000u;
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u)
        return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65520: half way to the first that is too large
    const std::uint32_t exponent = magnitude >> 23;
    // value = significand * 2^(exponent - 150); a half's last place is worth 2^(exponent - 137), and never less than
    // 2^-24.
    const std::uint32_t significand = (magnitude & 0x007fffffu) | 0x00800000u;
    const std::uint32_t dropped = exponent >= 113 ? 13 : 126 - exponent;
    if (dropped > 24) return static_cast<std::uint16_t>(sign);  // less than half of the smallest subnormal
    const std::uint32_t kept = significand >> dropped;
    const std::uint32_t rest = significand & ((1u << dropped) - 1u);
    const std::uint32_t tie = 1u << (dropped - 1u);
    const std::uint32_t rounded = kept + (rest > tie || (rest == tie && (kept & 1u)) ? 1u : 0u);
    // A carry out of the fraction runs into the exponent, which is what it should do.
    const std::uint32_t biased = exponent >= 113 ? (exponent - 113) << 10 : 0u;
    return static_cast<std::uint16_t>(sign | (biased + rounded));
}

// Exact: a bfloat16 is the upper half of a float.
inline float bf16_to_float(std::uint16_t bf16) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bf16) << 16);
}

// To nearest, ties to even; what rounds beyond the largest number is an infinity. A NaN keeps its sign and the upper
// bits of its payload, and becomes quiet.
inline std::uint16_t float_to_bf16(float value) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
    const std::uint32_t rest = bits & 0xffffu, kept = bits >> 16;
    const bool up = rest > 0x8000u || (rest == 0x8000u && (kept & 1u));
    return static_cast<std::uint16_t>(kept + (up ? 1u : 0u));
}

}  // namespace octile::reference
