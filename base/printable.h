// Text that came from outside, made safe to print: on one line, without control characters, as valid UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace octile::internal {

// Valid UTF-8 without control characters (C0, DEL, C1), so that it may go to a terminal, a table or JSON as it is.
bool is_printable(std::string_view text);

// `text` in double quotes for an error message: quotes and backslashes escaped, whatever is not printable as \xNN, cut
// after about 100 bytes.
std::string quote(std::string_view text);

}  // namespace octile::internal
