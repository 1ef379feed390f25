#include "inputs/float8.h"

#include <cmath>
#include <limits>

namespace octile {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Format {
    int mantissa_bits;
    int bias;
    bool infinities;    // the largest exponent is infinity and NaN, as in IEEE 754
    bool fnuz = false;  // 0x80 is the only NaN
};

float value_of(const Format& format, int byte) {
    if (format.fnuz && byte == 0x80) return kNaN;
    const int magnitude = byte & 0x7f;
    const int mantissa = magnitude & ((1 << format.mantissa_bits) - 1), exponent = magnitude >> format.mantissa_bits;
    const int largest = 0x7f >> format.mantissa_bits;
    float value;
    if (format.infinities && exponent == largest) {
        value = mantissa == 0 ? std::numeric_limits<float>::infinity() : kNaN;
    } else if (!format.infinities && !format.fnuz && magnitude == 0x7f) {
        value = kNaN;
    } else {
        const int digits = exponent == 0 ? mantissa : mantissa + (1 << format.mantissa_bits);
        const int power = (exponent == 0 ? 1 : exponent) - format.bias - format.mantissa_bits;
        value = std::ldexp(static_cast<float>(digits), power);
    }
    return byte & 0x80 ? -value : value;
}

Float8Values table_of(const Format& format) {
    Float8Values values;
    for (int byte = 0; byte < 256; byte++)
        values[static_cast<std::size_t>(byte)] = value_of(format, byte);
    return values;
}

Float8Values powers_of_two() {
    Float8Values values;
    for (int byte = 0; byte < 255; byte++)
        values[static_cast<std::size_t>(byte)] = std::ldexp(1.0f, byte - 127);
    values[255] = kNaN;
    return values;
}

}  // namespace

const Float8Values* float8_values(std::string_view dtype) {
    static const Float8Values kE4m3 = table_of({.mantissa_bits = 3, .bias = 7, .infinities = false});
    static const Float8Values kE5m2 = table_of({.mantissa_bits = 2, .bias = 15, .infinities = true});
    static const Float8Values kE4m3Fnuz = table_of({.mantissa_bits = 3, .bias = 8, .infinities = false, .fnuz = true});
    static const Float8Values kE5m2Fnuz = table_of({.mantissa_bits = 2, .bias = 16, .infinities = false, .fnuz = true});
    static const Float8Values kE8m0 = powers_of_two();
    if (dtype == "F8_E4M3") return &kE4m3;
    if (dtype == "F8_E5M2") return &kE5m2;
    if (dtype == "F8_E4M3FNUZ") return &kE4m3Fnuz;
    if (dtype == "F8_E5M2FNUZ") return &kE5m2Fnuz;
    if (dtype == "F8_E8M0") return &kE8m0;
    return nullptr;
}

}  // namespace octile
