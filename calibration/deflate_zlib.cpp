#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <utility>

#include "calibration/deflate.h"

namespace octile {
namespace {

Status broken() {
    return {StatusCode::kParseError, "expected deflated data of its size, found other"};
}

constexpr std::size_t kChunk = std::numeric_limits<uInt>::max() / 2;  // zlib counts in 32 bits

}  // namespace

struct InflateStream::State {
    z_stream zlib = {};
    std::span<const std::byte> data;  // not inflated yet
    std::uint64_t size = 0, read = 0;
    uLong crc = 0;
    bool ready = false, ended = false, failed = false;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (ready) inflateEnd(&zlib);
    }

    // Inflates at most out.size() bytes and says how many; 0 where nothing moves any more.
    std::size_t inflate_some(std::span<std::byte> out) {
        if (ended) return 0;
        const std::size_t input = std::min(data.size(), kChunk), room = std::min(out.size(), kChunk);
        zlib.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(data.data()));
        zlib.avail_in = static_cast<uInt>(input);
        zlib.next_out = reinterpret_cast<Bytef*>(out.data());
        zlib.avail_out = static_cast<uInt>(room);
        const int result = inflate(&zlib, Z_NO_FLUSH);
        data = data.subspan(input - zlib.avail_in);
        const std::size_t written = room - zlib.avail_out;
        read += written;
        crc = crc32_z(crc, reinterpret_cast<const Bytef*>(out.data()), written);
        ended = result != Z_OK;
        failed = result != Z_OK && result != Z_STREAM_END;
        return written;
    }
};

InflateStream::InflateStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
InflateStream::InflateStream(InflateStream&&) noexcept = default;
InflateStream::~InflateStream() = default;

Result<InflateStream> InflateStream::open(std::span<const std::byte> data, std::uint64_t size) try {
    auto state = std::make_unique<State>();
    state->data = data;
    state->size = size;
    state->crc = crc32_z(0, nullptr, 0);
    state->ready = inflateInit2(&state->zlib, -MAX_WBITS) == Z_OK;
    if (!state->ready) throw std::bad_alloc();
    return InflateStream(std::move(state));
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "not enough memory to read it");
}

std::uint64_t InflateStream::size() const {
    return state_->size;
}

std::uint64_t InflateStream::position() const {
    return state_->read;
}

Status InflateStream::read(std::span<std::byte> out) {
    while (!out.empty()) {
        const std::size_t written = state_->inflate_some(out);
        if (written == 0 && state_->ended) return broken();
        out = out.subspan(written);
    }
    return {};
}

Status InflateStream::skip(std::uint64_t count) {
    std::array<std::byte, 32768> passed;
    while (count > 0) {
        const std::size_t part = std::min<std::uint64_t>(count, passed.size());
        if (Status status = read(std::span(passed).first(part)); !status.ok()) return status;
        count -= part;
    }
    return {};
}

Status InflateStream::finish(std::uint32_t crc) {
    if (state_->read > state_->size) return broken();
    if (Status status = skip(state_->size - state_->read); !status.ok()) return status;
    std::byte more{};
    while (!state_->ended) {  // the end of the stream may be behind the last byte of the data
        if (state_->inflate_some(std::span(&more, 1)) > 0) break;
    }
    if (state_->failed || state_->read != state_->size) return broken();
    if (state_->crc != crc) return {StatusCode::kParseError, "checksum: expected that of its data, found another"};
    return {};
}

bool has_crc(std::span<const std::byte> data, std::uint32_t crc) {
    return crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()) == crc;
}

}  // namespace octile
