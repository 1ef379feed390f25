// What an output's path stands for: where its links lead, and what is there.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include "octile/status.h"

namespace octile {

// What an output may be. A stream is a device such as /dev/null, a pipe, or an open file such as /dev/stdout.
enum class OutputKind { kFileOrStream, kFile };

struct OutputTarget {
    std::filesystem::path path;      // absolute, no link
    std::optional<struct stat> old;  // what is there; nothing: a new file
    // An open file of this process, which /dev/stdout, /dev/fd/3 and the like stand for; -1: none. It is written to as
    // it is: to replace the file behind it would not be seen by whoever opened it.
    int descriptor = -1;

    // Replaced in one step by a file that was written beside it; anything else is written to as a stream.
    bool is_replaced() const { return descriptor < 0 && (!old || S_ISREG(old->st_mode)); }
};

// Follows links to their end, so that a link stays one and what it points at is written; that may be a file that is not
// there yet. kIoError for what cannot be written to: a directory, a block device, a socket, a folder that is not there,
// a file without write permission. Messages begin with the path.
Result<OutputTarget> resolve_output(const std::filesystem::path& path, OutputKind kind);

// kInvalidArgument where `file`, which is called `path`, is an input (input_files.h).
Status check_no_input(const std::filesystem::path& path, const struct stat& file);

}  // namespace octile
