// Deflated data and checksums, by zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "octile/status.h"

namespace octile {

// `size` bytes from the raw deflate stream `data`. kParseError if it holds anything else, kOutOfMemory, kUnsupported in
// a build without zlib.
Result<std::vector<std::byte>> inflate_all(std::span<const std::byte> data, std::uint64_t size);

// Whether the data has this CRC-32. Always, in a build without zlib.
bool has_crc(std::span<const std::byte> data, std::uint32_t crc);

}  // namespace octile
