// Writes a packed file as a stream, and puts it in its place only when it is whole.
#pragma once

#include <filesystem>
#include <span>
#include <string>

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
// the process), the file of that name is what it was, and what remains of this one is ".<name>.<process>.tmp" beside
// it, if anything.
class PackedWriter {
  public:
    explicit PackedWriter(std::filesystem::path path);
    ~PackedWriter();  // removes what was not finished
    PackedWriter(const PackedWriter&) = delete;
    PackedWriter& operator=(const PackedWriter&) = delete;

    SectionWriter reserve(std::uint64_t bytes);
    // Creates the temporary file, with room for all that was reserved. kIoError for a full disk, before anything is
    // computed.
    Status start();
    Status write(SectionWriter& section, std::span<const std::byte> bytes);
    // Of a section that has been written to its end.
    Section end(SectionWriter& section) const;
    // The directory and the header; everything is on the disk when it returns.
    Status finish(const PackedDirectory& directory);

    std::uint64_t bytes() const { return end_; }  // of the file so far

  private:
    Status io_error(const char* what) const;
    Status write_at(std::uint64_t offset, std::span<const std::byte> bytes);
    Status sync_folder() const;

    std::filesystem::path path_, target_, temporary_;
    int file_ = -1;
    std::uint64_t end_ = kPackedHeaderBytes;
};

}  // namespace octile
