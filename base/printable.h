// Text that came from outside, made safe to print: on one line, valid UTF-8, without what a terminal obeys or a reader
// cannot see.
#pragma once

#include <string>
#include <string_view>

namespace octile::internal {

// Valid UTF-8 without control characters (C0, DEL, C1), line and paragraph separators, controls of the writing
// direction, and characters without width but the two that join letters. It may go to a terminal, a table or JSON as it
// is.
bool is_printable(std::string_view text);

// `text` in double quotes for an error message: quotes and backslashes escaped, whatever is not printable as \xNN, cut
// after about 100 bytes.
std::string quote(std::string_view text);

// `text` as it is if it is printable, else as quote() has it: a name in a table or a title.
std::string printable(std::string_view text);

// The same of a text that may have any length: as quote() has it also if that would cut it. A key or a word of a
// configuration in a message.
std::string brief(std::string_view text);

// `text` with what is not printable escaped where it stands, as JSON escapes characters (\u001b) and \xNN for bytes
// that are none: for whole outputs, whose line feeds and tabs stay, and lines, whose do not. A JSON text stays the same
// JSON.
enum class Breaks { kKept, kEscaped };
std::string escape_unprintable(std::string_view text, Breaks breaks);

}  // namespace octile::internal
