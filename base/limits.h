// What readers of bytes that are not ours accept at most: every bound, here and nowhere else. A bound is far above what
// any real file needs and low enough that memory and time stay a small multiple of the input's size; whatever is beyond
// it is an error that names the bound.
#pragma once

#include <cstddef>

namespace octile::limits {

// Levels of nesting of any JSON text. A layer list is 4 deep, a plan 6, a model's configuration rarely 8; nlohmann's
// values are copied, printed and destroyed by recursion.
inline constexpr std::size_t kJsonDepth = 16;

// Memory that a parsed JSON text takes for a byte of it, at most: an empty object, 3 bytes with its comma, is a value
// in an array that has grown to twice its size and a tree. Not enforced but tested: it follows from nlohmann's types.
inline constexpr std::size_t kJsonMemoryPerByte = 40;

}  // namespace octile::limits
