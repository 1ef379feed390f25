#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "calibration/array_file.h"
#include "calibration/deflate.h"
#include "inputs/messages.h"

namespace octile {
namespace {

// Signatures and sizes of a zip archive's records.
constexpr std::uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                        kEnd64Locator = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr std::size_t kMostComment = 65535;
constexpr std::uint32_t kIn64 = 0xffffffff;  // a field of 32 bits whose value is in the zip64 extra field
constexpr std::uint16_t kStored = 0, kDeflated = 8, kZip64Extra = 1;

template <typename T>
T get(std::span<const std::byte> bytes, std::size_t at) {
    OCTILE_CHECK_LE(at + sizeof(T), bytes.size());
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    return value;
}

// The n-th 8-byte value of the zip64 extra field.
std::optional<std::uint64_t> from_zip64(std::span<const std::byte> extra, std::size_t n) {
    while (extra.size() >= 4) {
        const auto id = get<std::uint16_t>(extra, 0), size = get<std::uint16_t>(extra, 2);
        if (size > extra.size() - 4) return std::nullopt;
        if (id == kZip64Extra) {
            if ((n + 1) * 8 > size) return std::nullopt;
            return get<std::uint64_t>(extra, 4 + n * 8);
        }
        extra = extra.subspan(4u + size);
    }
    return std::nullopt;
}

}  // namespace

Result<NpzFile> NpzFile::open(const std::filesystem::path& path) {
    Result<MappedFile> mapped = MappedFile::open(path);
    if (!mapped.ok()) return mapped.status();
    NpzFile file(path, std::move(mapped).value());
    if (Status status = file.read_directory(); !status.ok()) return status;
    return file;
}

Status NpzFile::read_directory() {
    const std::span<const std::byte> bytes = file_.bytes();
    const auto fail = [&](std::string_view text) { return parse_error(fmt::format("{}: {}", display(path_), text)); };
    const std::string_view broken = "expected an .npz archive (zip), found something else or a part of one";
    if (bytes.size() < kEndBytes) return fail(broken);
    std::size_t end = bytes.size() - kEndBytes;
    while (get<std::uint32_t>(bytes, end) != kEnd) {
        if (end == 0 || bytes.size() - end > kMostComment + kEndBytes) return fail(broken);
        --end;
    }
    std::uint64_t count = get<std::uint16_t>(bytes, end + 10), at = get<std::uint32_t>(bytes, end + 16);
    if (at == kIn64 && end >= kLocatorBytes && get<std::uint32_t>(bytes, end - kLocatorBytes) == kEnd64Locator) {
        const auto end64 = get<std::uint64_t>(bytes, end - kLocatorBytes + 8);
        if (bytes.size() < kEnd64Bytes || end64 > bytes.size() - kEnd64Bytes ||
            get<std::uint32_t>(bytes, end64) != kEnd64)
            return fail(broken);
        count = get<std::uint64_t>(bytes, end64 + 32);
        at = get<std::uint64_t>(bytes, end64 + 48);
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        if (at > bytes.size() || bytes.size() - at < kEntryBytes || get<std::uint32_t>(bytes, at) != kDirectoryEntry)
            return fail(fmt::format("member {}: expected a directory entry, found something else", i + 1));
        const std::size_t name_bytes = get<std::uint16_t>(bytes, at + 28), extra = get<std::uint16_t>(bytes, at + 30),
                          comment = get<std::uint16_t>(bytes, at + 32);
        if (bytes.size() - at - kEntryBytes < name_bytes + extra + comment) return fail(broken);
        std::string name(reinterpret_cast<const char*>(bytes.data() + at + kEntryBytes), name_bytes);
        if (!name.ends_with(".npy")) {
            return fail(fmt::format("member {}: expected arrays, named *.npy, found {}", i + 1, internal::quote(name)));
        }
        name.resize(name.size() - 4);
        Member member{.method = get<std::uint16_t>(bytes, at + 10),
                      .crc = get<std::uint32_t>(bytes, at + 16),
                      .compressed = get<std::uint32_t>(bytes, at + 20),
                      .size = get<std::uint32_t>(bytes, at + 24),
                      .header = get<std::uint32_t>(bytes, at + 42)};
        std::size_t in64 = 0;  // fields that are there come in this order
        for (std::uint64_t* const field : {&member.size, &member.compressed, &member.header}) {
            if (*field != kIn64) continue;
            const auto value = from_zip64(bytes.subspan(at + kEntryBytes + name_bytes, extra), in64++);
            if (!value) return fail(fmt::format("member {}: expected a size in zip64 form, found none", i + 1));
            *field = *value;
        }
        if (!members_.emplace(name, member).second)
            return fail(fmt::format("expected every name once, found {} again", internal::quote(name)));
        at += kEntryBytes + name_bytes + extra + comment;
    }
    return check_overlaps();
}

Status NpzFile::check_overlaps() const {
    std::vector<std::pair<const Member*, std::string_view>> members;
    for (const auto& [name, member] : members_)
        members.emplace_back(&member, name);
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.first->header < b.first->header; });
    for (std::size_t i = 1; i < members.size(); ++i) {
        const Member& before = *members[i - 1].first;
        const std::uint64_t apart = members[i].first->header - before.header;
        if (apart >= kLocalBytes && before.compressed <= apart - kLocalBytes) continue;
        return parse_error(fmt::format("{}: {}: expected data of its own, found that of {}", display(path_),
                                       internal::quote(members[i].second), internal::quote(members[i - 1].second)));
    }
    return {};
}

std::vector<std::string> NpzFile::names() const {
    std::vector<std::string> names;
    for (const auto& [name, member] : members_)
        names.push_back(name);
    return names;
}

Result<ArrayRows> NpzFile::read(std::string_view name, std::int64_t max_rows,
                                std::optional<std::int64_t> columns) const {
    const auto found = members_.find(name);
    OCTILE_CHECK_EQ(found != members_.end(), true);
    const Member& member = found->second;
    const std::string place = fmt::format("{}: {}", display(path_), internal::quote(name));
    const auto fail = [&](std::string_view text) { return parse_error(fmt::format("{}: {}", place, text)); };
    const std::span<const std::byte> bytes = file_.bytes();
    if (member.header > bytes.size() || bytes.size() - member.header < kLocalBytes ||
        get<std::uint32_t>(bytes, member.header) != kLocalHeader) {
        return fail("expected a zip member, found something else");
    }
    const std::uint64_t start = member.header + kLocalBytes + get<std::uint16_t>(bytes, member.header + 26) +
                                get<std::uint16_t>(bytes, member.header + 28);
    if (start > bytes.size() || member.compressed > bytes.size() - start) {
        return fail(fmt::format("expected {} bytes of data, found the end of the file", member.compressed));
    }
    const std::span<const std::byte> data = bytes.subspan(start, member.compressed);
    if (member.method == kStored && member.size == member.compressed) {
        if (!has_crc(data, member.crc)) return fail("checksum: expected that of its data, found another");
        return parse_npy(data, place, max_rows, columns);
    }
    if (member.method != kDeflated)
        return fail(fmt::format("method: expected 0 (stored) or 8 (deflated), found {}", member.method));
    if (member.size / limits::kDeflateExpansion > member.compressed) {
        return fail(fmt::format("expected at most {} times the {} bytes that it is compressed to, found {}",
                                limits::kDeflateExpansion, member.compressed, member.size));
    }
    const auto placed = [&](const Status& status) {
        return Status(status.code(), fmt::format("{}: {}", place, status.message()));
    };
    Result<InflateStream> stream = InflateStream::open(data, member.size);
    if (!stream.ok()) return placed(stream.status());
    Result<ArrayRows> rows = parse_npy(stream.value(), place, max_rows, columns);
    if (!rows.ok()) return rows;
    if (Status status = stream->finish(member.crc); !status.ok()) return placed(status);
    return rows;
}

}  // namespace octile
