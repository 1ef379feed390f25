// Checksums of a packed file. A section's is XXH3 (64 bits) of the XXH3s of its blocks of 1 MiB, little-endian, one
// after the other: large sections can be checked by several threads, and written as a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octile {

inline constexpr std::size_t kChecksumBlock = std::size_t{1} << 20;

std::uint64_t xxh3(std::span<const std::byte> bytes);

// Of a section that comes in pieces.
class SectionChecksum {
  public:
    SectionChecksum();
    ~SectionChecksum();
    SectionChecksum(SectionChecksum&&) noexcept;
    SectionChecksum& operator=(SectionChecksum&&) noexcept;

    void update(std::span<const std::byte> bytes);
    std::uint64_t finish();

  private:
    void end_block();

    void* state_ = nullptr;
    std::size_t in_block_ = 0;
    std::vector<std::uint64_t> blocks_;
};

// Of each of `sections`, which lie in a mapped file, on all threads.
std::vector<std::uint64_t> section_checksums(std::span<const std::span<const std::byte>> sections);

}  // namespace octile
