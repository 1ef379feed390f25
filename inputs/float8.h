// The floating-point types of eight bits, as OCP's "8-bit Floating Point Specification" (E4M3, E5M2), its "Microscaling
// Formats" (E8M0: an exponent and nothing else) and, with one NaN in place of -0 and no infinity, FNUZ have them.
#pragma once

#include <array>
#include <string_view>

namespace octile {

// What each of the 256 bytes stands for, exactly.
using Float8Values = std::array<float, 256>;

// By the name that safetensors has for the type, "F8_E4M3"; null for another.
const Float8Values* float8_values(std::string_view dtype);

}  // namespace octile
