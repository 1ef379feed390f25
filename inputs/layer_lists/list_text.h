// What a text has to be before it is read as a list.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "base/limits.h"
#include "octile/status.h"

namespace octile {

// `bytes` without a leading UTF-8 byte order mark. kParseError with path:line when they hold a NUL byte or are more
// than max_bytes.
Result<std::string_view> text_of(std::string_view bytes, const std::filesystem::path& path,
                                 std::size_t max_bytes = limits::kTextBytes);

}  // namespace octile
