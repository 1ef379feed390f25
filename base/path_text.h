// Paths in messages.
#pragma once

#include <filesystem>
#include <string>

#include "base/printable.h"

namespace octile {

// The path as it is, for the front of a one-line message; in quotes when it is empty or could not go to a terminal so.
inline std::string display(const std::filesystem::path& path) {
    return path.empty() ? internal::quote("") : internal::printable(path.native());
}

}  // namespace octile
