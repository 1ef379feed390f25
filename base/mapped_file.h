// A whole file mapped read-only.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "octile/status.h"

namespace octile {

// Owns the mapping; moving it keeps bytes() where they are. A file that another process shortens while it is mapped
// raises SIGBUS on the next access to the lost pages: nothing here guards against that, so replace model files by
// rename.
class MappedFile {
  public:
    // kIoError for anything but a readable regular file. An empty file maps to an empty span.
    static Result<MappedFile> open(const std::filesystem::path& path);

    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile();

    std::span<const std::byte> bytes() const { return {data_, size_}; }

  private:
    MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}

    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

// Brings the pages of a mapped file that hold `bytes` into the process's memory in one go, which is about twice as fast
// as to touch them one by one, where the system can (Linux 5.14); else they come when they are touched.
void populate_pages(std::span<const std::byte> bytes);

// Tells the system that pages of a mapped file that lie wholly inside `bytes` are not needed for now: they leave the
// process's memory and are read again if they are touched.
void release_pages(std::span<const std::byte> bytes);

}  // namespace octile
