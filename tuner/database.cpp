#include "tuner/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "base/input_files.h"
#include "base/limits.h"
#include "base/printable.h"
#include "inputs/messages.h"
#include "planner/json_reader.h"

namespace octile::tuner {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHeaderBytes = 100;  // more than any version's

std::string header_line() {
    return fmt::format("{{\"octile_tuning\":{}}}", kDatabaseVersion);
}

Status io_error(const fs::path& path, int error) {
    return {StatusCode::kIoError, fmt::format("{}: {}", display(path), std::strerror(error))};
}

// A database's file, under its lock as long as it lives.
class File {
  public:
    // kIoError for what is no regular file: a pipe or a device has no end to append to, and may have none at all.
    static Result<File> open(const fs::path& path, int flags, int lock) {
        File file(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0666));
        if (file.descriptor_ < 0) return io_error(path, errno);
        struct stat info = {};
        if (::fstat(file.descriptor_, &info) != 0) return io_error(path, errno);
        if (!S_ISREG(info.st_mode))
            return Status(StatusCode::kIoError,
                          fmt::format("{}: expected a regular file, found {}", display(path),
                                      S_ISDIR(info.st_mode) ? "a directory" : "a device or a pipe"));
        while (::flock(file.descriptor_, lock) != 0) {
            if (errno == EINTR) continue;
            if (lock == LOCK_SH) break;  // a file system without locks may still be read
            return io_error(path, errno);
        }
        if (::fstat(file.descriptor_, &info) != 0) return io_error(path, errno);
        file.size_ = static_cast<std::size_t>(info.st_size);
        if (file.size_ > limits::kTuningBytes)
            return parse_error(fmt::format("{}: expected a database of at most {} bytes, found {}", display(path),
                                           limits::kTuningBytes, file.size_));
        return file;
    }
    File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}
    File& operator=(File&&) = delete;
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);  // and gives up the lock
    }
    int operator*() const { return descriptor_; }
    std::size_t size() const { return size_; }  // when it was opened

    // So many bytes from there, fewer where the file ends; nothing if they cannot be read.
    std::optional<std::string> read(std::size_t offset, std::size_t count) const {
        std::string text(count, '\0');
        std::size_t got = 0;
        while (got < count) {
            const ssize_t now = ::pread(descriptor_, text.data() + got, count - got, static_cast<off_t>(offset + got));
            if (now < 0 && errno == EINTR) continue;
            if (now < 0) return std::nullopt;
            if (now == 0) break;
            got += static_cast<std::size_t>(now);
        }
        text.resize(got);
        return text;
    }

  private:
    explicit File(int descriptor) : descriptor_(descriptor) {}

    int descriptor_;
    std::size_t size_ = 0;
};

Status check_header(std::string_view line) {
    if (line.size() > kHeaderBytes) return parse_error(fmt::format("expected {}, found a long line", header_line()));
    const Result<nlohmann::json> document = internal::parse_json(line);
    Status status = document.status();
    if (status.ok()) {
        internal::ObjectReader reader(document.value(), "", status, "header");
        const std::int64_t version = reader.integer("octile_tuning", 1, 1 << 20);
        reader.finish();
        if (status.ok() && version != kDatabaseVersion) {
            return parse_error(fmt::format("octile_tuning: expected version {}, found {}", kDatabaseVersion, version));
        }
    }
    return status.ok() ? status : parse_error("expected " + header_line() + ": " + status.message());
}

struct Line {
    std::string_view text;
    std::size_t number;
    bool ended;
};

std::vector<Line> lines_of(std::string_view text) {
    std::vector<Line> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines.push_back({text.substr(0, end), lines.size() + 1, end != std::string_view::npos});
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

Result<Record> record_of(const Line& line) {
    if (line.text.size() > limits::kTuningLineBytes)
        return parse_error(
            fmt::format("expected a line of at most {} bytes, found {}", limits::kTuningLineBytes, line.text.size()));
    return record_from_json(line.text);
}

// Whether a line was cut off while it was written. A line that lacks no more than its end is whole.
bool is_torn(const Line& line) {
    if (line.ended) return false;
    if (line.number > 1) return !record_of(line).ok();
    return header_line().starts_with(line.text) && line.text.size() < header_line().size();
}

std::string torn_note(const fs::path& path, const Line& line) {
    return fmt::format("{}:{}: the last line is not complete and was left out", display(path), line.number);
}

struct Parsed {
    DatabaseContent content;
    std::vector<std::string> offences;
};

Parsed parse(const fs::path& path, std::string_view text) {
    Parsed parsed;
    std::set<std::string_view> seen;
    for (const Line& line : lines_of(text)) {
        if (is_torn(line)) {
            parsed.content.notes.push_back(torn_note(path, line));
            continue;
        }
        if (line.number == 1) {
            if (const Status status = check_header(line.text); !status.ok()) {
                parsed.offences.push_back(fmt::format("{}:1: {}", display(path), status.message()));
                break;  // whatever it is, it is no database
            }
            continue;
        }
        if (!seen.insert(line.text).second) continue;
        Result<Record> record = record_of(line);
        if (record.ok()) {
            parsed.content.records.push_back(std::move(record).value());
        } else {
            parsed.offences.push_back(fmt::format("{}:{}: {}", display(path), line.number, record.status().message()));
        }
    }
    return parsed;
}

Result<Parsed> load(const fs::path& path) {
    // A writer holds the lock while it removes half a line.
    const Result<File> file = File::open(path, O_RDONLY, LOCK_SH);
    if (!file.ok()) return file.status();
    add_input(*file.value(), path);
    const std::optional<std::string> text = file->read(0, file->size());
    if (!text) return io_error(path, errno);
    if (text->empty())
        return parse_error(fmt::format("{}: expected {}, found an empty file", display(path), header_line()));
    return parse(path, *text);
}

// The first line of a file and what its last one is, without reading what is between.
struct Ends {
    std::string first, last;
    std::size_t last_start = 0;
    bool ended = true;  // the last line
};

std::optional<Ends> ends_of(const File& file) {
    Ends ends;
    const std::optional<std::string> front = file.read(0, kHeaderBytes + 1);
    if (!front) return std::nullopt;
    ends.first = front->substr(0, front->find('\n'));
    // As far back as a line is long, and further only if it is longer.
    for (std::size_t block = std::size_t{1} << 16;; block *= 4) {
        const std::size_t from = file.size() > block ? file.size() - block : 0;
        const std::optional<std::string> text = file.read(from, file.size() - from);
        if (!text || text->empty()) return std::nullopt;
        ends.ended = text->back() == '\n';
        const std::size_t before = text->size() > 1 ? text->rfind('\n', text->size() - 2) : std::string::npos;
        if (before == std::string::npos && from > 0) continue;
        const std::size_t start = before == std::string::npos ? 0 : before + 1;
        ends.last_start = from + start;
        ends.last = text->substr(start, text->size() - start - (ends.ended ? 1 : 0));
        return ends;
    }
}

// Its number from 1, for a note.
std::optional<std::size_t> line_number(const File& file, std::size_t offset) {
    std::size_t number = 1;
    for (std::size_t at = 0; at < offset;) {
        const std::optional<std::string> text = file.read(at, std::min(offset - at, std::size_t{1} << 16));
        if (!text || text->empty()) return std::nullopt;
        number += static_cast<std::size_t>(std::count(text->begin(), text->end(), '\n'));
        at += text->size();
    }
    return number;
}

// Lines of records as they are written. What this reader would not take again is not written: no sample, word or
// schedule makes a database unreadable.
Result<std::vector<std::string>> lines_to_append(std::span<const Record> records) {
    std::vector<std::string> lines;
    for (const Record& record : records) {
        lines.push_back(to_json(record));
        const Result<Record> again = record_of({lines.back(), 0, true});
        if (!again.ok())
            return Status(StatusCode::kInvalidArgument,
                          fmt::format("a record of job {} is none that a database holds: {}",
                                      internal::quote(record.job), again.status().message()));
    }
    return lines;
}

bool write_line(int file, std::string line) {
    line += '\n';
    ssize_t written;
    do {
        written = ::write(file, line.data(), line.size());
    } while (written < 0 && errno == EINTR);
    if (written == static_cast<ssize_t>(line.size())) return true;
    if (written >= 0) errno = ENOSPC;  // half a line: the next writer removes it
    return false;
}

}  // namespace

Result<DatabaseContent> read_database(const fs::path& path) {
    Result<Parsed> parsed = load(path);
    if (!parsed.ok()) return parsed.status();
    if (!parsed->offences.empty()) return parse_error(parsed->offences.front());
    return std::move(parsed->content);
}

Result<std::vector<std::string>> validate_database(const fs::path& path) {
    Result<Parsed> parsed = load(path);
    if (!parsed.ok() && parsed.status().code() == StatusCode::kParseError)
        return std::vector<std::string>{parsed.status().message()};
    if (!parsed.ok()) return parsed.status();
    std::vector<std::string> offences = std::move(parsed->offences);
    offences.insert(offences.end(), parsed->content.notes.begin(), parsed->content.notes.end());
    return offences;
}

Result<std::vector<std::string>> append_records(const fs::path& path, std::span<const Record> records) {
    const Result<std::vector<std::string>> lines = lines_to_append(records);
    if (!lines.ok())
        return Status(lines.status().code(), fmt::format("{}: {}", display(path), lines.status().message()));
    const Result<File> file = File::open(path, O_RDWR | O_APPEND | O_CREAT, LOCK_EX);
    if (!file.ok()) return file.status();
    std::vector<std::string> notes;
    std::size_t size = file->size();
    if (size > 0) {
        const std::optional<Ends> ends = ends_of(file.value());
        if (!ends) return io_error(path, errno);
        const bool torn = is_torn({ends->last, ends->last_start == 0 ? std::size_t{1} : 2, ends->ended});
        if (ends->last_start > 0 || !torn) {
            if (Status status = check_header(ends->first); !status.ok())
                return parse_error(fmt::format("{}:1: {}", display(path), status.message()));
        }
        if (torn) {
            const std::optional<std::size_t> number = line_number(file.value(), ends->last_start);
            size = ends->last_start;
            if (!number || ::ftruncate(*file.value(), static_cast<off_t>(size)) != 0) return io_error(path, errno);
            notes.push_back(torn_note(path, {ends->last, *number, false}));
        } else if (!ends->ended && !write_line(*file.value(), "")) {
            return io_error(path, errno);
        }
    }
    const std::size_t added =
        std::accumulate(lines->begin(), lines->end(), header_line().size() + 2,
                        [](std::size_t sum, const std::string& line) { return sum + line.size() + 1; });
    if (size + added > limits::kTuningBytes)
        return Status(StatusCode::kIoError,
                      fmt::format("{}: expected room for {} bytes in a database of at most {}, found {}", display(path),
                                  added, limits::kTuningBytes, size));
    if (size == 0 && !write_line(*file.value(), header_line())) return io_error(path, errno);
    for (const std::string& line : lines.value()) {
        if (!write_line(*file.value(), line)) return io_error(path, errno);
    }
    return notes;
}

std::string merged(std::span<const DatabaseContent> inputs) {
    std::set<std::string> lines;
    for (const DatabaseContent& input : inputs) {
        for (const Record& record : input.records)
            lines.insert(fmt::format("{}\t{}", record.time, to_json(record)));
    }
    std::string text = header_line() + "\n";
    for (const std::string& line : lines) {
        text.append(line, line.find('\t') + 1);
        text += '\n';
    }
    return text;
}

std::vector<std::string> stale_versions(std::span<const Record> records, std::span<const KernelVersion> current) {
    std::set<std::string> stale;
    for (const Record& record : records) {
        const bool known = std::any_of(current.begin(), current.end(), [&](const KernelVersion& version) {
            return version.kernel == record.key.kernel && version.digest == record.kernels;
        });
        if (!known) stale.insert(fmt::format("{} {}", record.key.kernel, record.kernels));
    }
    return {stale.begin(), stale.end()};
}

std::string stale_message(const fs::path& path, std::span<const Record> records,
                          std::span<const KernelVersion> current) {
    const std::vector<std::string> stale = stale_versions(records, current);
    if (stale.empty()) return {};
    std::vector<std::string> ours;
    for (const KernelVersion& version : current)
        ours.push_back(fmt::format("{} {}", version.kernel, version.digest));
    return fmt::format(
        "{}: records of other kernels ({}; this build has {}): measure again into a new file, or say --accept-stale",
        display(path), fmt::join(stale, ", "), fmt::join(ours, ", "));
}

}  // namespace octile::tuner
