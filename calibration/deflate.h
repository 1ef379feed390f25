// Deflated data and checksums, by zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "calibration/byte_stream.h"
#include "octile/status.h"

namespace octile {

// A raw deflate stream, inflated as it is read: it takes memory for zlib's window and no more.
class InflateStream final : public ByteStream {
  public:
    // kOutOfMemory; kUnsupported in a build without zlib. `size`: of what is inflated. `data` has to outlive it.
    static Result<InflateStream> open(std::span<const std::byte> data, std::uint64_t size);
    InflateStream(InflateStream&&) noexcept;
    ~InflateStream() override;

    std::uint64_t size() const override;
    std::uint64_t position() const override;
    Status read(std::span<std::byte> out) override;
    Status skip(std::uint64_t count) override;
    // Inflates the rest: kParseError unless the stream ends here, is of its size and has this CRC-32.
    Status finish(std::uint32_t crc);

  private:
    struct State;
    explicit InflateStream(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Whether the data has this CRC-32. Always, in a build without zlib.
bool has_crc(std::span<const std::byte> data, std::uint32_t crc);

}  // namespace octile
