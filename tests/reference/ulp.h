// Distances from a double result in units in the last place of the nearest value of a smaller format.
#pragma once

#include <algorithm>
#include <cmath>

namespace octile::reference {

// The spacing of numbers with `precision` significant bits around `value`, where the smallest normal exponent is
// `min_exponent`.
inline double spacing(double value, int precision, int min_exponent) {
    int exponent = 0;
    std::frexp(value, &exponent);
    return std::ldexp(1.0, std::max(exponent - 1, min_exponent) - (precision - 1));
}

inline double spacing_f32(double value) {
    return spacing(value, 24, -126);
}
inline double spacing_f16(double value) {
    return spacing(value, 11, -14);
}

}  // namespace octile::reference
