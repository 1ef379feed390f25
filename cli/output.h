// Where a command's words and data go: data to stdout, words to stderr, one line each. Files: base/output_file.h.
//
// Nothing gets to a terminal by this way but printable text (base/printable.h), line feeds, tabs, and the colours of
// cli/table.h: whatever a message or a table has of a file, a name or the environment is escaped here once more.
#pragma once

#include <string_view>

#include "octile/status.h"

namespace octile::cli {

// Writes a line to stderr, without what is more than some 900 bytes: what is left out is out of its middle, so that
// the file that it begins with and the reason that it ends with stay. Best effort: where stderr is closed or full there
// is nobody to tell, and the exit code says it all the same.
void write_line(std::string_view line);

// A line on the terminal that the next one takes the place of, and an empty one in its place.
void show_progress(std::string_view line);
void clear_progress();

// Prints the line "octile: <message>" to stderr and returns the exit code, for `exit_code = fail(...)`.
int fail(int exit_code, std::string_view message);

// The same for a Status that is an error: kInvalidArgument is one of the command line.
int fail_by(const Status& status);

// Most memory that this process has held at a time, in bytes; 0 where the system does not say.
std::size_t peak_memory();
// What it holds now.
std::size_t resident_memory();

// Prints the line "octile: note: <message>" to stderr.
void note(std::string_view message);

// Writes to stdout and flushes; kIoError if that fails, as on a full disk behind a redirection, kInvalidArgument where
// stdout is a file that was read.
Status write_stdout(std::string_view data);

// Whether data on stdout may be coloured: a terminal that can, and NO_COLOR (https://no-color.org) is not set.
bool stdout_takes_colour();

}  // namespace octile::cli
