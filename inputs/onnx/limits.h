// What reading an ONNX file may take. A file beyond a limit of the first kind is refused; beyond the others, shapes or
// values are unknown, which is no error.
#pragma once

#include <cstddef>

namespace octile::onnx_limits {

// Refused. Protobuf's own nesting: a graph inside a node of a graph takes three levels of it.
inline constexpr int kMaxMessageDepth = 100;
inline constexpr std::size_t kMaxDepth = 24;  // calls of functions and bodies of If, Loop and Scan inside each other
// Nodes that calls of functions write out, beside those of the graph itself.
inline constexpr std::size_t kFreeCalledNodes = 20000, kBytesPerCalledNode = 8;

// Unknown from here on.
inline constexpr std::size_t kMaxRank = 32;
inline constexpr std::size_t kMaxElements = 1024;  // of a value that is computed, not only its shape
// Elements that all values together may have: so many, and one for each of the file's bytes.
inline constexpr std::size_t kFreeElements = 1u << 20;

}  // namespace octile::onnx_limits
