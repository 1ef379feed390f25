// Bytes that come one behind the other: of an array that is stored, or that is inflated as it is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "octile/status.h"

namespace octile {

class ByteStream {
  public:
    virtual ~ByteStream() = default;

    // All bytes of it, as whoever made it says.
    virtual std::uint64_t size() const = 0;
    // Of these, how many have been read or passed over.
    virtual std::uint64_t position() const = 0;
    // The next out.size() bytes. kParseError where there are fewer, whatever size() says.
    virtual Status read(std::span<std::byte> out) = 0;
    virtual Status skip(std::uint64_t count) = 0;
};

// `bytes` have to outlive it.
class MemoryStream final : public ByteStream {
  public:
    explicit MemoryStream(std::span<const std::byte> bytes) : bytes_(bytes), size_(bytes.size()) {}

    std::uint64_t size() const override { return size_; }
    std::uint64_t position() const override { return size_ - bytes_.size(); }

    Status read(std::span<std::byte> out) override {
        if (out.size() > bytes_.size()) return end();
        if (!out.empty()) std::memcpy(out.data(), bytes_.data(), out.size());
        bytes_ = bytes_.subspan(out.size());
        return {};
    }

    Status skip(std::uint64_t count) override {
        if (count > bytes_.size()) return end();
        bytes_ = bytes_.subspan(count);
        return {};
    }

  private:
    static Status end() { return {StatusCode::kParseError, "expected more data, found the end"}; }

    std::span<const std::byte> bytes_;
    std::uint64_t size_;
};

}  // namespace octile
