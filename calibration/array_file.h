// Arrays as NumPy saves them: .npy files, and .npz archives of them, stored or deflated.
//
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html; .npz is a zip archive
// (APPNOTE.TXT 6.3, zip64 included).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "calibration/byte_stream.h"
#include "octile/status.h"

namespace octile {

// Rows of features: the last axis of an array, and all others together.
struct ArrayRows {
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::vector<float> values;  // row-major

    std::span<const float> row(std::int64_t index) const {
        return std::span<const float>(values).subspan(static_cast<std::size_t>(index * columns),
                                                      static_cast<std::size_t>(columns));
    }
};

// Reads at most `max_rows`, spread evenly over the array. Element types <f2, <f4 and <f8, C or Fortran order, one
// dimension (a single row) or more. `columns`: how many features the rows must have, if that is known. `name` begins
// every message, which is kParseError; kNonFinite names the row that holds NaN or infinity; kOutOfMemory.
//
// Of the array, only the rows that are wanted are held in memory.
Result<ArrayRows> parse_npy(ByteStream& stream, const std::string& name, std::int64_t max_rows,
                            std::optional<std::int64_t> columns = std::nullopt);
Result<ArrayRows> parse_npy(std::span<const std::byte> bytes, const std::string& name, std::int64_t max_rows,
                            std::optional<std::int64_t> columns = std::nullopt);

// An archive, by the names of its arrays (without ".npy"), each of which has data of its own: no bytes are inflated
// twice.
class NpzFile {
  public:
    static Result<NpzFile> open(const std::filesystem::path& path);

    std::vector<std::string> names() const;
    bool has(std::string_view name) const { return members_.contains(name); }
    // Precondition: has(name).
    Result<ArrayRows> read(std::string_view name, std::int64_t max_rows,
                           std::optional<std::int64_t> columns = std::nullopt) const;

  private:
    struct Member {
        std::uint16_t method = 0;
        std::uint32_t crc = 0;
        std::uint64_t compressed = 0;
        std::uint64_t size = 0;
        std::uint64_t header = 0;  // of the local file header
    };
    NpzFile(std::filesystem::path path, MappedFile file) : path_(std::move(path)), file_(std::move(file)) {}
    Status read_directory();
    Status check_overlaps() const;

    std::filesystem::path path_;
    MappedFile file_;
    std::map<std::string, Member, std::less<>> members_;
};

}  // namespace octile
