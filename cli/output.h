// Where a command's words and data go: data to stdout or a file, words to stderr, one line each.
#pragma once

#include <filesystem>
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

// Replaces the file in one step: whoever reads `path` sees the old content or the new, and a failure leaves the old
// one. What is not a regular file, such as a device or a pipe, is written to directly.
Status write_file(const std::filesystem::path& path, std::string_view data);

// Whether data on stdout may be coloured: a terminal that can, and NO_COLOR (https://no-color.org) is not set.
bool stdout_takes_colour();

}  // namespace octile::cli
