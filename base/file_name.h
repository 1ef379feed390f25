// Names that others chose and that become those of files.
#pragma once

#include <algorithm>
#include <string_view>

#include "base/limits.h"

namespace octile::internal {

// What a message says that it expected.
inline constexpr std::string_view kFileNameForm = "a name of letters, digits, '.', '_' and '-'";

// Letters, digits, '.', '_' and '-', no '.' or '-' at the front, at most limits::kFileNameBytes: no path, no option and
// nothing that a shell or CMake reads as anything but itself.
inline bool is_file_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    };
    return !name.empty() && name.size() <= limits::kFileNameBytes && name[0] != '.' && name[0] != '-' &&
           std::all_of(name.begin(), name.end(), fits);
}

}  // namespace octile::internal
