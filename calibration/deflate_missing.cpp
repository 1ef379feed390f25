// Stands in for zlib in builds without it.
#include "calibration/deflate.h"

namespace octile {
namespace {

Status unsupported() {
    return {StatusCode::kUnsupported,
            "this build reads no compressed .npz: it was made without zlib (numpy.savez stores)"};
}

}  // namespace

struct InflateStream::State {};

InflateStream::InflateStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
InflateStream::InflateStream(InflateStream&&) noexcept = default;
InflateStream::~InflateStream() = default;

Result<InflateStream> InflateStream::open(std::span<const std::byte>, std::uint64_t) {
    return unsupported();
}

std::uint64_t InflateStream::size() const {
    return 0;
}

std::uint64_t InflateStream::position() const {
    return 0;
}

Status InflateStream::read(std::span<std::byte>) {
    return unsupported();
}

Status InflateStream::skip(std::uint64_t) {
    return unsupported();
}

Status InflateStream::finish(std::uint32_t) {
    return unsupported();
}

bool has_crc(std::span<const std::byte>, std::uint32_t) {
    return true;
}

}  // namespace octile
