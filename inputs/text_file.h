// Layer lists are small text files: read whole, checked once for being text at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "octile/status.h"

namespace octile {

// Far above any real list (10,000 layers are about 1 MB), far below what parsing would need much memory for.
inline constexpr std::size_t kMaxListBytes = std::size_t{16} << 20;

// The file's bytes without a leading UTF-8 byte order mark. kIoError when it cannot be read (missing, a directory, no
// permission), kParseError with path:line when it holds a NUL byte or is larger than max_bytes. Pipes are fine.
Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_bytes = kMaxListBytes);

}  // namespace octile
