// The angles of a rotary embedding, from operations that are the same on every CPU.
#pragma once

#include <cstdint>
#include <vector>

#include "octile/graph.h"

namespace octile {

struct RotaryTable {
    std::int64_t half = 0;        // pairs of a head's features
    std::vector<float> cos, sin;  // [positions, half]
};

// Angle of pair i at a position: position * theta^(-i / half), in binary64 and rounded to binary32 at the end
// (docs/quantization.md, "Rotary embedding").
RotaryTable make_rotary_table(const Rotary& rotary, std::int64_t head, std::int64_t positions);

}  // namespace octile
