// What may take the place of an activation, and the int8 result, as docs/quantization.md has them.
#pragma once

#include <cmath>

#include "tests/reference/quantize.h"

namespace octile::reference {

// A NaN stays one.
inline float clamp(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

// The level of v in an int8 result, as a number: like a static quantization of it.
inline float output_level(float v, float output_scale) {
    return static_cast<float>(static_level(v, output_scale));
}

}  // namespace octile::reference
