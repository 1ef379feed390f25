#include "packed/packed_writer.h"

#include <utility>

#include "base/check.h"

namespace octile {
namespace {

constexpr std::uint64_t aligned(std::uint64_t offset) {
    return (offset + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

}  // namespace

SectionWriter PackedWriter::reserve(std::uint64_t bytes) {
    OCTILE_CHECK_EQ(file_.has_value(), false);
    SectionWriter writer;
    writer.section_ = {aligned(end_), bytes, 0};
    end_ = writer.section_.offset + bytes;
    return writer;
}

Status PackedWriter::start() {
    Result<OutputFile> file = OutputFile::create(path_, OutputKind::kFile);
    if (!file.ok()) return file.status();
    file_ = std::move(file).value();
    return file_->reserve(end_);
}

Status PackedWriter::write(SectionWriter& section, std::span<const std::byte> bytes) {
    OCTILE_CHECK_LE(bytes.size(), section.left());
    if (Status status = file_->write_at(section.section_.offset + section.written_, bytes); !status.ok()) return status;
    section.written_ += bytes.size();
    section.checksum_.update(bytes);
    return {};
}

Section PackedWriter::end(SectionWriter& section) const {
    OCTILE_CHECK_EQ(section.left(), std::uint64_t{0});
    section.section_.checksum = section.checksum_.finish();
    return section.section_;
}

Status PackedWriter::finish(const PackedDirectory& directory) {
    const std::string text = to_json(directory);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
    PackedHeader header;
    header.version = version_of(directory);
    header.directory_offset = aligned(end_);
    header.directory_bytes = bytes.size();
    header.directory_checksum = xxh3(bytes);
    header.file_bytes = end_ = header.directory_offset + bytes.size();
    if (Status status = file_->write_at(header.directory_offset, bytes); !status.ok()) return status;
    // The header last: without it, the file is none.
    if (Status status = file_->sync(); !status.ok()) return status;
    if (Status status = file_->write_at(0, encode(header)); !status.ok()) return status;
    return file_->commit();
}

}  // namespace octile
