#include "inputs/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/input_files.h"
#include "base/path_text.h"

namespace octile {
namespace {

Status io_error(const std::filesystem::path& path, int error) {
    return {StatusCode::kIoError, display(path) + ": " + std::generic_category().message(error)};
}

}  // namespace

Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return io_error(path, errno);
    add_input(file, path);

    std::string text;
    std::array<char, 65536> block;
    int error = 0;
    while (text.size() <= max_bytes) {
        const ssize_t got = ::read(file, block.data(), block.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) error = errno;  // EISDIR among them
        if (got <= 0) break;
        text.append(block.data(), static_cast<std::size_t>(got));
    }
    ::close(file);
    if (error != 0) return io_error(path, error);
    const Result<std::string_view> taken = text_of(text, path, max_bytes);
    if (!taken.ok()) return taken.status();
    text.erase(0, text.size() - taken->size());
    return text;
}

}  // namespace octile
