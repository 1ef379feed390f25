// .npy and .npz files made by hand.
#pragma once

#include <fmt/format.h>
#ifdef OCTILE_HAS_ZLIB
#include <zlib.h>
#endif

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calibration/deflate.h"

namespace octile::test {

template <typename T>
void put(std::string& bytes, T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

inline std::string npy_bytes(std::string_view type, std::string_view shape, std::string_view data, bool fortran = false,
                             int version = 1) {
    std::string header =
        fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", type, fortran ? "True" : "False", shape);
    header.append(64 - (header.size() + 13) % 64, ' ');
    header += '\n';
    std::string bytes = "\x93NUMPY";
    bytes += static_cast<char>(version);
    bytes += '\0';
    if (version == 1) {
        put(bytes, static_cast<std::uint16_t>(header.size()));
    } else {
        put(bytes, static_cast<std::uint32_t>(header.size()));
    }
    return bytes.append(header).append(data);
}

// CRC-32 of zip, a bit at a time.
inline std::uint32_t crc_of(std::string_view data) {
    std::uint32_t crc = 0xffffffffu;
    for (const char c : data) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

inline std::string deflated_bytes(const std::string& data) {
#ifdef OCTILE_HAS_ZLIB
    z_stream stream = {};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    std::string out(data.size() + 100, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(out.size() - stream.avail_out);
    deflateEnd(&stream);
    return out;
#else
    return data;
#endif
}

// A zip archive; `zip64` writes all sizes and places in 64 bits.
inline std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& members, bool deflated,
                             bool zip64) {
    std::string bytes, directory;
    for (const auto& [name, data] : members) {
        const std::string packed = deflated ? deflated_bytes(data) : data;
        const auto start = static_cast<std::uint32_t>(bytes.size());
        const auto size = static_cast<std::uint32_t>(data.size()),
                   compressed = static_cast<std::uint32_t>(packed.size());
        const std::uint32_t in64 = 0xffffffffu;
        const auto common = [&](std::string& out) {
            put<std::uint16_t>(out, 45);
            put<std::uint16_t>(out, 0);
            put<std::uint16_t>(out, deflated ? 8 : 0);
            put<std::uint32_t>(out, 0);
            put<std::uint32_t>(out, crc_of(data));
            put<std::uint32_t>(out, zip64 ? in64 : compressed);
            put<std::uint32_t>(out, zip64 ? in64 : size);
            put<std::uint16_t>(out, static_cast<std::uint16_t>(name.size()));
        };
        const auto sizes64 = [&](std::string& out, bool with_start) {
            put<std::uint16_t>(out, 1);
            put<std::uint16_t>(out, with_start ? 24 : 16);
            put<std::uint64_t>(out, size);
            put<std::uint64_t>(out, compressed);
            if (with_start) put<std::uint64_t>(out, start);
        };
        put<std::uint32_t>(bytes, 0x04034b50);
        common(bytes);
        put<std::uint16_t>(bytes, zip64 ? 20 : 0);
        bytes += name;
        if (zip64) sizes64(bytes, false);
        bytes += packed;

        put<std::uint32_t>(directory, 0x02014b50);
        put<std::uint16_t>(directory, 45);
        common(directory);
        put<std::uint16_t>(directory, zip64 ? 28 : 0);
        put<std::uint16_t>(directory, 0);
        put<std::uint16_t>(directory, 0);
        put<std::uint16_t>(directory, 0);
        put<std::uint32_t>(directory, 0);
        put<std::uint32_t>(directory, zip64 ? in64 : start);
        directory += name;
        if (zip64) sizes64(directory, true);
    }
    const auto at = bytes.size();
    bytes += directory;
    const auto count = static_cast<std::uint16_t>(members.size());
    if (zip64) {
        const auto end64 = bytes.size();
        put<std::uint32_t>(bytes, 0x06064b50);
        put<std::uint64_t>(bytes, 44);
        put<std::uint16_t>(bytes, 45);
        put<std::uint16_t>(bytes, 45);
        put<std::uint32_t>(bytes, 0);
        put<std::uint32_t>(bytes, 0);
        put<std::uint64_t>(bytes, count);
        put<std::uint64_t>(bytes, count);
        put<std::uint64_t>(bytes, directory.size());
        put<std::uint64_t>(bytes, at);
        put<std::uint32_t>(bytes, 0x07064b50);
        put<std::uint32_t>(bytes, 0);
        put<std::uint64_t>(bytes, end64);
        put<std::uint32_t>(bytes, 1);
    }
    put<std::uint32_t>(bytes, 0x06054b50);
    put<std::uint16_t>(bytes, 0);
    put<std::uint16_t>(bytes, 0);
    put<std::uint16_t>(bytes, count);
    put<std::uint16_t>(bytes, count);
    put<std::uint32_t>(bytes, static_cast<std::uint32_t>(directory.size()));
    put<std::uint32_t>(bytes, zip64 ? 0xffffffffu : static_cast<std::uint32_t>(at));
    put<std::uint16_t>(bytes, 0);
    return bytes;
}

}  // namespace octile::test
