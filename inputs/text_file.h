// Layer lists are small text files: read whole, checked once for being text at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "base/limits.h"
#include "inputs/layer_lists/list_text.h"
#include "octile/status.h"

namespace octile {

// The file's bytes without a leading UTF-8 byte order mark. kIoError when it cannot be read (missing, a directory, no
// permission), kParseError with path:line when it holds a NUL byte or is larger than max_bytes, of which no more is
// read. Pipes are fine.
Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_bytes = limits::kTextBytes);

}  // namespace octile
