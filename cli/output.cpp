#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "cli/commands.h"
#include "inputs/messages.h"

namespace octile::cli {
namespace {

Status io_error(std::string_view what, int error) {
    return {StatusCode::kIoError, fmt::format("{}: {}", what, std::strerror(error))};
}

// 0, or the errno of what failed. A short write without an errno cannot happen on POSIX systems; it would count as EIO.
int write_all(std::FILE* stream, std::string_view data) {
    errno = 0;
    const bool written = std::fwrite(data.data(), 1, data.size(), stream) == data.size() && std::fflush(stream) == 0;
    return written ? 0 : errno != 0 ? errno : EIO;
}

}  // namespace

void write_words(std::string_view text) {
    (void)write_all(stderr, text);  // not fmt::print, which throws
}

int fail(int exit_code, std::string_view message) {
    // Has room of its own for a short message, such as that memory ran out.
    fmt::memory_buffer line;
    fmt::format_to(std::back_inserter(line), "octile: {}\n", message);
    write_words({line.data(), line.size()});
    return exit_code;
}

int fail_by(const Status& status) {
    return fail(status.code() == StatusCode::kInvalidArgument ? kExitUsage : kExitError, status.message());
}

namespace {

// A field of /proc/self/status in bytes, e.g. "VmHWM:     1234 kB".
std::size_t status_bytes(std::string_view field) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(field)) continue;
        return std::strtoull(line.c_str() + field.size(), nullptr, 10) * 1024;
    }
    return 0;
}

}  // namespace

std::size_t peak_memory() {
    return status_bytes("VmHWM:");
}

std::size_t resident_memory() {
    return status_bytes("VmRSS:");
}

void note(std::string_view message) {
    write_words(fmt::format("octile: note: {}\n", message));
}

Status write_stdout(std::string_view data) {
    const int error = write_all(stdout, data);
    return error == 0 ? Status() : io_error("standard output", error);
}

bool stdout_takes_colour() {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    const bool refused = no_color != nullptr && *no_color != '\0';
    const bool dumb = term == nullptr || std::strcmp(term, "dumb") == 0;
    return !refused && !dumb && ::isatty(STDOUT_FILENO) == 1;
}

}  // namespace octile::cli
