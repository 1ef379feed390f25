// Beginnings of error messages. Text from inside a file goes through internal::quote().
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "base/printable.h"
#include "octile/status.h"

namespace octile {

// The path as it is, for the front of a one-line message; in quotes when it is empty or could not go to a terminal so.
inline std::string display(const std::filesystem::path& path) {
    const bool plain = !path.empty() && internal::is_printable(path.native());
    return plain ? path.native() : internal::quote(path.native());
}

inline Status parse_error(std::string message) {
    return {StatusCode::kParseError, std::move(message)};
}

}  // namespace octile
