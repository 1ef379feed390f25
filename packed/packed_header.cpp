#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "packed/checksum.h"
#include "packed/packed_format.h"

namespace octile {
namespace {

static_assert(std::endian::native == std::endian::little,
              "sections are used in place, and the format is little-endian");

// As PNG's: a byte that no text has, a name, and a line end that a text transfer would change.
constexpr std::array<unsigned char, 8> kMagic = {0x89, 'O', 'C', 'T', 'I', 'L', 'E', '\n'};

// Fields of 8 bytes from this offset on, but for version and header size, which share one.
enum Field : std::size_t {
    kVersion = 8,
    kHeaderSize = 12,
    kFileBytes = 16,
    kDirectory = 24,
    kReserved = 48,
    kChecksum = 56
};

template <typename T>
void put(std::span<std::byte> bytes, std::size_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof(value));
}

template <typename T>
T get(std::span<const std::byte> bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    return value;
}

Status wrong(std::string message) {
    return {StatusCode::kParseError, std::move(message)};
}

}  // namespace

bool is_packed_magic(std::span<const std::byte> start) {
    return start.size() >= kMagic.size() && std::memcmp(start.data(), kMagic.data(), kMagic.size()) == 0;
}

std::array<std::byte, kPackedHeaderBytes> encode(const PackedHeader& header) {
    std::array<std::byte, kPackedHeaderBytes> bytes = {};
    std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
    put(bytes, kVersion, header.version);
    put<std::uint32_t>(bytes, kHeaderSize, kPackedHeaderBytes);
    put(bytes, kFileBytes, header.file_bytes);
    put(bytes, kDirectory, header.directory_offset);
    put(bytes, kDirectory + 8, header.directory_bytes);
    put(bytes, kDirectory + 16, header.directory_checksum);
    put(bytes, kChecksum, xxh3(std::span(bytes).first(kChecksum)));
    return bytes;
}

Result<PackedHeader> decode_header(std::span<const std::byte> file) {
    if (!is_packed_magic(file)) return wrong("expected a packed file of Octile, found something else");
    if (file.size() < kPackedHeaderBytes) {
        return wrong(fmt::format("expected a header of {} bytes, found {} bytes in all; is the file cut short?",
                                 kPackedHeaderBytes, file.size()));
    }
    const auto version = get<std::uint32_t>(file, kVersion);
    if (version > kNewestVersion) {
        return wrong(
            fmt::format("expected format version {} to {}, found {}: a newer Octile wrote it, or it is damaged",
                        kFirstVersion, kNewestVersion, version));
    }
    const auto checksum = get<std::uint64_t>(file, kChecksum), found = xxh3(file.first(kChecksum));
    if (checksum != found)
        return wrong(
            fmt::format("header: expected checksum {:016x}, found {:016x}; the file is damaged", checksum, found));
    const auto header_bytes = get<std::uint32_t>(file, kHeaderSize);
    if (version < kFirstVersion || header_bytes != kPackedHeaderBytes || get<std::uint64_t>(file, kReserved) != 0) {
        return wrong(fmt::format("header: expected version {} to {} and {} bytes, found version {} and {} bytes",
                                 kFirstVersion, kNewestVersion, kPackedHeaderBytes, version, header_bytes));
    }
    PackedHeader header;
    header.version = version;
    header.file_bytes = get<std::uint64_t>(file, kFileBytes);
    header.directory_offset = get<std::uint64_t>(file, kDirectory);
    header.directory_bytes = get<std::uint64_t>(file, kDirectory + 8);
    header.directory_checksum = get<std::uint64_t>(file, kDirectory + 16);
    if (header.file_bytes != file.size()) {
        return wrong(fmt::format("expected {} bytes, as its header says, found {}{}", header.file_bytes, file.size(),
                                 file.size() < header.file_bytes ? "; is the file cut short?" : ""));
    }
    if (header.directory_offset < kPackedHeaderBytes || header.directory_offset > file.size() ||
        header.directory_bytes != file.size() - header.directory_offset) {
        return wrong(fmt::format("header: expected a directory that ends the file of {} bytes, found {} bytes at {}",
                                 file.size(), header.directory_bytes, header.directory_offset));
    }
    return header;
}

}  // namespace octile
