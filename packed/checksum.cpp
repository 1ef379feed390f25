#include "packed/checksum.h"

#define XXH_INLINE_ALL  // nothing of the library is exported, and nothing has to be linked
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/mapped_file.h"
#include "runtime/parallel.h"

namespace octile {
namespace {

XXH3_state_t* state_of(void* state) {
    return static_cast<XXH3_state_t*>(state);
}

std::uint64_t of_blocks(std::span<const std::uint64_t> blocks) {
    return xxh3(std::as_bytes(blocks));
}

}  // namespace

std::uint64_t xxh3(std::span<const std::byte> bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

SectionChecksum::SectionChecksum() : state_(XXH3_createState()) {
    if (state_ == nullptr) throw std::bad_alloc();
    (void)XXH3_64bits_reset(state_of(state_));
}

SectionChecksum::~SectionChecksum() {
    if (state_ != nullptr) (void)XXH3_freeState(state_of(state_));
}

SectionChecksum::SectionChecksum(SectionChecksum&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)), in_block_(other.in_block_), blocks_(std::move(other.blocks_)) {}

SectionChecksum& SectionChecksum::operator=(SectionChecksum&& other) noexcept {
    std::swap(state_, other.state_);
    in_block_ = other.in_block_;
    blocks_ = std::move(other.blocks_);
    return *this;
}

void SectionChecksum::update(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const std::size_t count = std::min(bytes.size(), kChecksumBlock - in_block_);
        (void)XXH3_64bits_update(state_of(state_), bytes.data(), count);
        in_block_ += count;
        bytes = bytes.subspan(count);
        if (in_block_ == kChecksumBlock) end_block();
    }
}

void SectionChecksum::end_block() {
    blocks_.push_back(XXH3_64bits_digest(state_of(state_)));
    (void)XXH3_64bits_reset(state_of(state_));
    in_block_ = 0;
}

std::uint64_t SectionChecksum::finish() {
    if (in_block_ > 0) end_block();
    return of_blocks(blocks_);
}

std::vector<std::uint64_t> section_checksums(std::span<const std::span<const std::byte>> sections) {
    struct Range {
        std::size_t first, count;  // of `blocks`
    };
    std::vector<std::span<const std::byte>> blocks;
    std::vector<Range> ranges;
    std::size_t bytes = 0;
    for (const std::span<const std::byte> section : sections) {
        ranges.push_back({blocks.size(), (section.size() + kChecksumBlock - 1) / kChecksumBlock});
        for (std::size_t at = 0; at < section.size(); at += kChecksumBlock)
            blocks.push_back(section.subspan(at, std::min(kChecksumBlock, section.size() - at)));
        bytes += section.size();
    }
    std::vector<std::uint64_t> of_block(blocks.size());
    // Pieces are taken one by one: sections of the same number of bytes take as long, blocks do not.
    const int threads = piece_count(static_cast<std::int64_t>(blocks.size()), static_cast<double>(bytes) / 4);
    std::atomic<std::size_t> next = 0;
    const int code = parallel_pieces(threads, threads, [&](int, std::int64_t, std::int64_t) {
        for (std::size_t i = next++; i < blocks.size(); i = next++) {
            populate_pages(blocks[i]);
            of_block[i] = xxh3(blocks[i]);
        }
        return 0;
    });
    // A caller's pool that fails runs nothing at all: what is left is done here.
    if (code != 0) {
        for (std::size_t i = 0; i < blocks.size(); i++)
            of_block[i] = xxh3(blocks[i]);
    }
    std::vector<std::uint64_t> checksums;
    for (const Range& range : ranges)
        checksums.push_back(of_blocks(std::span(of_block).subspan(range.first, range.count)));
    return checksums;
}

}  // namespace octile
