#include "packed/packed_file.h"

#include <fmt/format.h>

#include <fstream>
#include <new>

#include "base/path_text.h"
#include "packed/checksum.h"

namespace octile {
namespace {

void add_panel_sections(const LinearEntry& linear, const PanelSection& panels,
                        std::vector<PackedFile::NamedSection>& sections) {
    sections.push_back({panels.section, linear.name, "panels"});
    if (panels.steps) sections.push_back({*panels.steps, linear.name, "steps"});
}

// A linear's, without its panels.
void add_column_sections(const LinearEntry& linear, std::vector<PackedFile::NamedSection>& sections) {
    sections.push_back({linear.bias, linear.name, "bias"});
    if (linear.column_scale) sections.push_back({*linear.column_scale, linear.name, "column_scale"});
    if (linear.column_sum) sections.push_back({*linear.column_sum, linear.name, "column_sum"});
    if (linear.input_multiplier) sections.push_back({*linear.input_multiplier, linear.name, "input_multiplier"});
}

}  // namespace

bool is_packed_file(const std::filesystem::path& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return false;  // nothing else can be read twice
    std::array<std::byte, 8> start = {};
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char*>(start.data()), start.size());
    return is_packed_magic(std::span(start).first(static_cast<std::size_t>(file.gcount())));
}

Result<PackedFile> PackedFile::open(const std::filesystem::path& path) try {
    Result<MappedFile> mapped = MappedFile::open(path);
    if (!mapped.ok()) return mapped.status();
    PackedFile file;
    file.path_ = path;
    file.file_ = std::make_shared<const MappedFile>(std::move(mapped).value());
    const auto fail = [&](const Status& status) {
        return Status(status.code(), fmt::format("{}: {}", display(path), status.message()));
    };
    const Result<PackedHeader> header = decode_header(file.bytes());
    if (!header.ok()) return fail(header.status());
    const std::span<const std::byte> directory =
        file.bytes().subspan(header->directory_offset, header->directory_bytes);
    const std::uint64_t found = xxh3(directory);
    if (found != header->directory_checksum) {
        return fail({StatusCode::kParseError,
                     fmt::format("directory: expected checksum {:016x}, found {:016x}; the file is damaged",
                                 header->directory_checksum, found)});
    }
    Result<PackedDirectory> read =
        directory_from_json({reinterpret_cast<const char*>(directory.data()), directory.size()}, header.value());
    if (!read.ok()) return fail({read.status().code(), "directory: " + read.status().message()});
    file.directory_ = std::move(read).value();
    file.version_ = header->version;
    file.overhead_bytes_ = kPackedHeaderBytes + directory.size();
    return file;
} catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, display(path) + ": not enough memory for its directory");
}

void PackedFile::add_sections(const LinearEntry& linear, const PanelSection& panels,
                              std::vector<NamedSection>& sections) {
    add_panel_sections(linear, panels, sections);
    add_column_sections(linear, sections);
}

std::vector<PackedFile::NamedSection> PackedFile::sections() const {
    std::vector<NamedSection> sections;
    for (const LinearEntry& linear : directory_.linears) {
        for (const PanelSection& panels : linear.panels)
            add_panel_sections(linear, panels, sections);
        add_column_sections(linear, sections);
    }
    for (const TensorEntry& tensor : directory_.tensors)
        sections.push_back({tensor.section, tensor.name, "data"});
    return sections;
}

Status PackedFile::verify(std::span<const NamedSection> sections) const {
    std::vector<std::span<const std::byte>> bytes;
    for (const NamedSection& named : sections)
        bytes.push_back(bytes_of(named.section));
    const std::vector<std::uint64_t> found = section_checksums(bytes);
    for (std::size_t i = 0; i < sections.size(); i++) {
        const NamedSection& named = sections[i];
        if (found[i] == named.section.checksum) continue;
        return {StatusCode::kParseError,
                fmt::format("{}: {}: {} at byte {}: expected checksum {:016x}, found {:016x}; the file is damaged",
                            display(path_), named.owner, named.what, named.section.offset, named.section.checksum,
                            found[i])};
    }
    return {};
}

}  // namespace octile
