// Names of the cores that records are of.
#pragma once

#include <string>
#include <string_view>

namespace octile::tuner {

// Of an identity that a machine gave (runtime/core_identity.h), or "model:<name>", of records that a model made. Empty
// for a core without a name.
std::string core_name(std::string_view identity);

inline constexpr std::string_view kModelPrefix = "model:";

// Bits of the longest vector register that the calling thread may use.
int vector_bits();

}  // namespace octile::tuner
