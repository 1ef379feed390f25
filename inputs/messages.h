// Beginnings of error messages. Text from inside a file goes through internal::quote().
#pragma once

#include <string>
#include <utility>

#include "base/path_text.h"
#include "octile/status.h"

namespace octile {

inline Status parse_error(std::string message) {
    return {StatusCode::kParseError, std::move(message)};
}

}  // namespace octile
