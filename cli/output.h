// Where a command's words and data go: data to stdout, words to stderr, one line each. Files: base/output_file.h.
#pragma once

#include <string_view>

#include "octile/status.h"

namespace octile::cli {

// Writes to stderr. Best effort: where stderr is closed or full there is nobody to tell, and the exit code says it all
// the same.
void write_words(std::string_view text);

// Prints "octile: <message>" to stderr and returns the exit code, for `exit_code = fail(...)`.
int fail(int exit_code, std::string_view message);

// The same for a Status that is an error: kInvalidArgument is one of the command line.
int fail_by(const Status& status);

// Most memory that this process has held at a time, in bytes; 0 where the system does not say.
std::size_t peak_memory();
// What it holds now.
std::size_t resident_memory();

// Prints "octile: note: <message>" to stderr.
void note(std::string_view message);

// Writes to stdout and flushes; kIoError if that fails, as on a full disk behind a redirection.
Status write_stdout(std::string_view data);

// Whether data on stdout may be coloured: a terminal that can, and NO_COLOR (https://no-color.org) is not set.
bool stdout_takes_colour();

}  // namespace octile::cli
