#include "base/output_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <system_error>

#include "base/input_files.h"
#include "base/path_text.h"

namespace octile {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxLinks = 40;  // as Linux follows

Status io_error(const fs::path& path, const std::error_code& error) {
    return {StatusCode::kIoError, fmt::format("{}: {}", display(path), error.message())};
}

Status io_error(const fs::path& path, int error) {
    return io_error(path, std::error_code(error, std::generic_category()));
}

// N of /proc/self/fd/N; -1 for any other path. `folder` is canonical.
int descriptor_of(const fs::path& folder, const std::string& name) {
    std::error_code ignored;
    if (folder != fs::canonical("/proc/self/fd", ignored) && folder != fs::canonical("/proc/thread-self/fd", ignored))
        return -1;
    int descriptor = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), descriptor);
    return error == std::errc() && end == name.data() + name.size() ? descriptor : -1;
}

// Where the links lead, and what is there.
Result<OutputTarget> follow(const fs::path& path) {
    fs::path at = path;
    for (int links = 0; links <= kMaxLinks; links++) {
        if (at.empty()) return io_error(path, ENOENT);
        if (!at.has_filename()) return io_error(path, EISDIR);
        std::error_code error;
        const fs::path folder = fs::canonical(at.has_parent_path() ? at.parent_path() : fs::path("."), error);
        if (error) return io_error(path, error);
        OutputTarget target{folder / at.filename(), std::nullopt, descriptor_of(folder, at.filename().native())};
        struct stat file = {};
        const int found =
            target.descriptor >= 0 ? ::fstat(target.descriptor, &file) : ::lstat(target.path.c_str(), &file);
        if (found != 0) {
            if (errno != ENOENT) return io_error(path, errno);
            return target;
        }
        if (!S_ISLNK(file.st_mode)) {
            target.old = file;
            return target;
        }
        const fs::path link = fs::read_symlink(target.path, error);
        if (error) return io_error(path, error);
        at = folder / link;  // `link` alone where it is absolute
    }
    return io_error(path, ELOOP);
}

}  // namespace

Result<OutputTarget> resolve_output(const fs::path& path, OutputKind kind) {
    Result<OutputTarget> target = follow(path);
    if (!target.ok() || !target->old) return target;
    if (kind == OutputKind::kFile && !target->is_replaced()) {
        return Status(StatusCode::kIoError,
                      fmt::format("{}: expected a regular file or none, for it is replaced as a whole", display(path)));
    }
    const struct stat& old = *target->old;
    if (S_ISDIR(old.st_mode)) return io_error(path, EISDIR);
    if (!S_ISREG(old.st_mode) && !S_ISCHR(old.st_mode) && !S_ISFIFO(old.st_mode) && target->descriptor < 0)
        return Status(StatusCode::kIoError,
                      fmt::format("{}: expected a file, a pipe or a character device to write to, found a {}",
                                  display(path), S_ISBLK(old.st_mode) ? "block device" : "socket"));
    // What is replaced is not opened: without this, its permissions would not count.
    if (target->descriptor < 0 && ::faccessat(AT_FDCWD, target->path.c_str(), W_OK, AT_EACCESS) != 0)
        return io_error(path, errno);
    return target;
}

Status check_no_input(const fs::path& path, const struct stat& file) {
    const std::optional<fs::path> input = find_input(file);
    if (!input) return {};
    return {StatusCode::kInvalidArgument,
            fmt::format("{}: expected an output that is no input, found {}", display(path),
                        *input == path ? "an input" : fmt::format("the input {}", display(*input)))};
}

}  // namespace octile
