#include "fuzz/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <system_error>

#include "fuzz/require.h"

namespace octile::fuzz {

namespace fs = std::filesystem;

namespace {

void write_all(int file, std::string_view bytes) {
    require(::ftruncate(file, 0) == 0 && ::lseek(file, 0, SEEK_SET) == 0, "a file could not be emptied");
    while (!bytes.empty()) {
        const ssize_t written = ::write(file, bytes.data(), bytes.size());
        require(written > 0, "a file could not be written");
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

fs::path memory_file(std::string_view bytes, std::size_t slot) {
    static std::array<int, 4> files = {-1, -1, -1, -1};
    int& file = files.at(slot);
    if (file < 0) file = ::memfd_create("fuzz", MFD_CLOEXEC);
    require(file >= 0, "memfd_create failed");
    write_all(file, bytes);
    return "/proc/self/fd/" + std::to_string(file);
}

const fs::path& scratch_folder() {
    static const struct Folder {
        fs::path path;

        Folder() {
            std::error_code error;
            std::string name = fs::is_directory("/dev/shm", error) ? "/dev/shm" : fs::temp_directory_path().native();
            name += "/octile_fuzz.XXXXXX";
            require(::mkdtemp(name.data()) != nullptr, "mkdtemp failed");
            path = name;
        }
        Folder(const Folder&) = delete;
        Folder& operator=(const Folder&) = delete;
        ~Folder() {
            std::error_code ignored;
            fs::remove_all(path, ignored);
        }
    } folder;
    return folder.path;
}

fs::path scratch_file(std::string_view name, std::string_view bytes) {
    fs::path path = scratch_folder() / name;
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    require(file >= 0, "a file could not be made");
    write_all(file, bytes);
    ::close(file);
    return path;
}

}  // namespace octile::fuzz
