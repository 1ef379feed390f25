#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include "base/input_files.h"
#include "base/path_text.h"

namespace octile {
namespace {

Status io_error(const std::filesystem::path& path, const std::string& what) {
    return {StatusCode::kIoError, display(path) + ": " + what};
}

Status system_error(const std::filesystem::path& path) {
    return io_error(path, std::generic_category().message(errno));
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    // O_NONBLOCK: opening a FIFO that nobody writes to must not hang; it is refused below.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return system_error(path);

    struct stat info = {};
    if (::fstat(file, &info) != 0) {
        const Status status = system_error(path);
        ::close(file);
        return status;
    }
    if (!S_ISREG(info.st_mode)) {
        ::close(file);
        return io_error(path, S_ISDIR(info.st_mode) ? "expected a regular file, found a directory"
                                                    : "expected a regular file: it is mapped, not streamed");
    }
    add_input(file, path);
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size == 0) {
        ::close(file);
        return MappedFile(nullptr, 0);
    }
    void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    const Status status = data == MAP_FAILED ? system_error(path) : Status();
    ::close(file);
    if (!status.ok()) return status;
    return MappedFile(static_cast<const std::byte*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void populate_pages(std::span<const std::byte> bytes) {
#ifndef MADV_POPULATE_READ
    constexpr int MADV_POPULATE_READ = 22;
#endif
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
    const std::uintptr_t first = begin / page * page;
    if (!bytes.empty())
        (void)::madvise(reinterpret_cast<void*>(first), begin + bytes.size() - first, MADV_POPULATE_READ);
}

void release_pages(std::span<const std::byte> bytes) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
    const std::uintptr_t first = (begin + page - 1) / page * page, end = (begin + bytes.size()) / page * page;
    if (first < end) (void)::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);  // only advice
}

}  // namespace octile
