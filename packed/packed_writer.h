// Writes a packed file as a stream, and puts it in its place only when it is whole.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "base/output_file.h"
#include "octile/status.h"
#include "packed/checksum.h"
#include "packed/packed_format.h"

namespace octile {

// A section that is being written, from its beginning to its end.
class SectionWriter {
  public:
    SectionWriter() = default;

    std::uint64_t left() const { return section_.bytes - written_; }

  private:
    friend class PackedWriter;
    Section section_;
    std::uint64_t written_ = 0;
    SectionChecksum checksum_;
};

// First reserve() of every section, in the order in which they are to lie; then start(), write() and finish(). Messages
// begin with the file's name. Whatever happens before finish() has returned without an error (a full disk, the end of
// the process), the file of that name is what it was: base/output_file.h.
class PackedWriter {
  public:
    explicit PackedWriter(std::filesystem::path path) : path_(std::move(path)) {}

    SectionWriter reserve(std::uint64_t bytes);
    // Creates the file, with room for all that was reserved. kIoError for a full disk and for anything but a regular
    // file or none, kInvalidArgument for an input, before anything is computed.
    Status start();
    Status write(SectionWriter& section, std::span<const std::byte> bytes);
    // Of a section that has been written to its end.
    Section end(SectionWriter& section) const;
    // The directory and the header; everything is on the disk when it returns.
    Status finish(const PackedDirectory& directory);

    std::uint64_t bytes() const { return end_; }  // of the file so far

  private:
    std::filesystem::path path_;
    std::optional<OutputFile> file_;
    std::uint64_t end_ = kPackedHeaderBytes;
};

}  // namespace octile
