#include "cli/output.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "base/output_target.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/table.h"

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

constexpr std::size_t kLongestLine = 900, kHead = 450, kTail = 400;

std::string shortened(std::string_view line) {
    if (line.size() <= kLongestLine) return std::string(line);
    const auto inside = [&](std::size_t at) { return (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80; };
    std::size_t head = kHead, tail = line.size() - kTail;
    while (inside(head))
        head--;
    while (inside(tail))
        tail++;
    return fmt::format("{}... ({} bytes left out) ...{}", line.substr(0, head), tail - head, line.substr(tail));
}

std::string safe_output(std::string_view text) {
    std::string safe;
    while (!text.empty()) {
        const std::size_t colour = colour_code_length(text);
        const std::size_t end = colour > 0 ? colour : std::min(text.find('\033', 1), text.size());
        const std::string_view part = text.substr(0, end);
        safe += colour > 0 ? std::string(part) : internal::escape_unprintable(part, internal::Breaks::kKept);
        text.remove_prefix(end);
    }
    return safe;
}

}  // namespace

void write_line(std::string_view line) {
    // Has room of its own for a short message, such as that memory ran out.
    fmt::memory_buffer safe;
    if (line.size() <= kLongestLine && internal::is_printable(line)) {
        fmt::format_to(std::back_inserter(safe), "{}\n", line);
    } else {
        fmt::format_to(std::back_inserter(safe), "{}\n",
                       shortened(internal::escape_unprintable(line, internal::Breaks::kEscaped)));
    }
    (void)write_all(stderr, {safe.data(), safe.size()});  // not fmt::print, which throws
}

void show_progress(std::string_view line) {
    (void)write_all(stderr, fmt::format("\r\033[K{}", internal::escape_unprintable(line, internal::Breaks::kEscaped)));
}

void clear_progress() {
    (void)write_all(stderr, "\r\033[K");
}

int fail(int exit_code, std::string_view message) {
    constexpr std::string_view kProgram = "octile: ";
    if (message.size() <= kLongestLine - kProgram.size()) {
        char line[kLongestLine];
        write_line({line, static_cast<std::size_t>(fmt::format_to(line, "{}{}", kProgram, message) - line)});
    } else {
        write_line(fmt::format("{}{}", kProgram, message));
    }
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
    write_line(fmt::format("octile: note: {}", message));
}

Status write_stdout(std::string_view data) {
    struct stat file = {};
    if (::fstat(STDOUT_FILENO, &file) == 0) {
        if (Status status = check_no_input("standard output", file); !status.ok()) return status;
    }
    const int error = write_all(stdout, safe_output(data));
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
