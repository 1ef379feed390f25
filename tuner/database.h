// tuning.jsonl: a header line, then one record a line, only ever appended to. Several processes may append at once; one
// that is killed leaves at most half a line, which the next one removes and says so.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/status.h"
#include "tuner/record.h"

namespace octile::tuner {

inline constexpr int kDatabaseVersion = 1;

struct DatabaseContent {
    std::vector<Record> records;     // in the order of the file, each line once
    std::vector<std::string> notes;  // what the reader left out, one line each
};

// kIoError where the file cannot be read or is no regular file, kParseError with path:line and field where a line is
// not what it should be. A last line without its end that is no record is half a line: left out, with a note.
Result<DatabaseContent> read_database(const std::filesystem::path& path);

// Every offence of a file, "path:line: ..." each; empty: none. kIoError where the file cannot be read.
Result<std::vector<std::string>> validate_database(const std::filesystem::path& path);

// Appends records, making the file with its header if it is not there or empty. Each line is one write() with O_APPEND
// under an exclusive flock(). Returns the notes: half a line that was removed. kParseError where there is a file that
// is no database; kInvalidArgument, with nothing written, for a record that read_database() would not take.
Result<std::vector<std::string>> append_records(const std::filesystem::path& path, std::span<const Record> records);

// The text of a database with all records of the inputs, each once and in an order that does not depend on theirs: the
// same for merge(a, b) and merge(b, a), and merge(a, a) has the records of a.
std::string merged(std::span<const DatabaseContent> inputs);

// The versions of kernels that records are of, without those of `current` (one per kernel family: {"gemm_s8", digest}).
// Empty: all are of this version.
struct KernelVersion {
    std::string_view kernel, digest;
};
std::vector<std::string> stale_versions(std::span<const Record> records, std::span<const KernelVersion> current);

// One line on records of other kernel versions, or empty: what is said before they are refused.
std::string stale_message(const std::filesystem::path& path, std::span<const Record> records,
                          std::span<const KernelVersion> current);

}  // namespace octile::tuner
