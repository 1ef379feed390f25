#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "fuzz/memory_file.h"
#include "fuzz/run_model.h"
#include "packed/checksum.h"
#include "packed/packed_format.h"

namespace octile::fuzz {
namespace {

constexpr std::size_t kSectionBytes = 32768;  // together; a multiple of kSectionAlignment

// The number behind `key` at `text`'s beginning, which both are taken away from it.
std::optional<std::uint64_t> take_number(std::string_view& text, std::string_view key) {
    if (!text.starts_with(key)) return std::nullopt;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data() + key.size(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

// The directory with the checksums that its sections have in `file`, as far as they lie in it.
std::string with_checksums(std::string_view directory, const std::string& file) {
    constexpr std::string_view kOffset = "\"offset\": ", kBytes = ", \"bytes\": ", kChecksum = ", \"checksum\": \"";
    constexpr std::size_t kDigits = 16;
    std::string text;
    while (true) {
        const std::size_t next = directory.find(kOffset);
        text += directory.substr(0, next);
        if (next == std::string_view::npos) return text;
        directory.remove_prefix(next);
        std::string_view rest = directory;
        const auto offset = take_number(rest, kOffset), bytes = take_number(rest, kBytes);
        const bool whole = offset && bytes && rest.starts_with(kChecksum) &&
                           rest.size() >= kChecksum.size() + kDigits && *offset <= file.size() &&
                           *bytes <= file.size() - *offset;
        if (!whole) {
            text += kOffset;
            directory.remove_prefix(kOffset.size());
            continue;
        }
        SectionChecksum checksum;
        checksum.update(std::as_bytes(std::span(file).subspan(*offset, *bytes)));
        rest.remove_prefix(kChecksum.size() + kDigits);
        text += fmt::format("{}{}{}{}{}{:016x}", kOffset, *offset, kBytes, *bytes, kChecksum, checksum.finish());
        directory = rest;
    }
}

}  // namespace

// A directory alone, behind sections of small numbers; all checksums are made right.
void read_packed_directory(std::string_view input) {
    std::string file(kPackedHeaderBytes + kSectionBytes, '\0');
    for (std::size_t i = kPackedHeaderBytes; i < file.size(); ++i)
        file[i] = static_cast<char>(i % 4 == 3 ? 0x3c : i * 7 % 128);
    const std::string directory = with_checksums(input, file);
    const auto header = encode(PackedHeader{.file_bytes = file.size() + directory.size(),
                                            .directory_offset = file.size(),
                                            .directory_bytes = directory.size(),
                                            .directory_checksum = xxh3(std::as_bytes(std::span(directory)))});
    std::memcpy(file.data(), header.data(), header.size());
    run_packed(memory_file(file + directory));
}

}  // namespace octile::fuzz
