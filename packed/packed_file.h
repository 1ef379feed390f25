// A packed file, mapped, with its header and directory checked and none of its sections looked at yet.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/mapped_file.h"
#include "packed/packed_format.h"

namespace octile {

// Whether it begins like one. False for what cannot be read.
bool is_packed_file(const std::filesystem::path& path);

class PackedFile {
  public:
    // Errors are those of PackedModel::open(), but for what depends on the CPU.
    static Result<PackedFile> open(const std::filesystem::path& path);

    const std::filesystem::path& path() const { return path_; }
    const PackedDirectory& directory() const { return directory_; }
    PackedDirectory& directory() { return directory_; }
    // Keeps bytes() where they are.
    const std::shared_ptr<const MappedFile>& mapping() const { return file_; }
    std::span<const std::byte> bytes() const { return file_->bytes(); }
    std::span<const std::byte> bytes_of(const Section& section) const {
        return bytes().subspan(section.offset, section.bytes);
    }

    // A section with the words that name it in a message: the linear or tensor, and what of it.
    struct NamedSection {
        Section section;
        std::string_view owner;
        std::string_view what;
    };
    // What a linear is made of, with these of its panels.
    static void add_sections(const LinearEntry& linear, const PanelSection& panels,
                             std::vector<NamedSection>& sections);
    // Every section of the file.
    std::vector<NamedSection> sections() const;
    // Reads them. kParseError naming the first that is not what it was when it was written.
    Status verify(std::span<const NamedSection> sections) const;

    std::uint32_t version() const { return version_; }
    // Bytes of header and directory.
    std::size_t overhead_bytes() const { return overhead_bytes_; }

  private:
    std::filesystem::path path_;
    std::shared_ptr<const MappedFile> file_;
    PackedDirectory directory_;
    std::uint32_t version_ = kFirstVersion;
    std::size_t overhead_bytes_ = 0;
};

}  // namespace octile
