// What a message repeats of others, such as why something failed.
#pragma once

#include <string>
#include <string_view>

#include "base/printable.h"

namespace octile::internal {

// `text` as it is where it may go to a terminal so and is no longer than a message, else quoted.
inline std::string printable(std::string_view text) {
    constexpr std::size_t kLongest = 1000;
    return text.size() <= kLongest && is_printable(text) ? std::string(text) : quote(text);
}

}  // namespace octile::internal
