#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

#include "calibration/deflate.h"

namespace octile {
namespace {

struct Stream {
    z_stream state = {};

    Stream() {
        if (inflateInit2(&state, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() { inflateEnd(&state); }
};

}  // namespace

Result<std::vector<std::byte>> inflate_all(std::span<const std::byte> data, std::uint64_t size) try {
    std::vector<std::byte> out(size);
    Stream stream;
    constexpr std::size_t kChunk = std::numeric_limits<uInt>::max() / 2;  // zlib counts in 32 bits
    std::size_t read = 0, written = 0;
    for (int result = Z_OK; result == Z_OK;) {
        const std::size_t input = std::min(data.size() - read, kChunk), room = std::min(out.size() - written, kChunk);
        stream.state.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(data.data() + read));
        stream.state.avail_in = static_cast<uInt>(input);
        stream.state.next_out = reinterpret_cast<Bytef*>(out.data() + written);
        stream.state.avail_out = static_cast<uInt>(room);
        result = inflate(&stream.state, Z_NO_FLUSH);
        read += input - stream.state.avail_in;
        written += room - stream.state.avail_out;
        if (result == Z_STREAM_END && written == out.size()) return out;
        if (stream.state.avail_in == input && stream.state.avail_out == room) break;  // nothing moved
    }
    return Status(StatusCode::kParseError, "expected deflated data of its size, found other");
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory to read it");
}

bool has_crc(std::span<const std::byte> data, std::uint32_t crc) {
    return crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()) == crc;
}

}  // namespace octile
