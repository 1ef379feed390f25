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
#include <optional>
#include <set>

#include "base/input_files.h"
#include "inputs/messages.h"
#include "planner/json_reader.h"

namespace octile::tuner {
namespace {

namespace fs = std::filesystem;

std::string header_line() {
    return fmt::format("{{\"octile_tuning\":{}}}", kDatabaseVersion);
}

Status io_error(const fs::path& path, int error) {
    return {StatusCode::kIoError, fmt::format("{}: {}", display(path), std::strerror(error))};
}

class File {
  public:
    File(const fs::path& path, int flags) : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);  // and gives up the lock
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int operator*() const { return descriptor_; }

  private:
    int descriptor_;
};

std::optional<std::string> read_all(int file) {
    std::string text;
    char block[1 << 16];
    for (;;) {
        const ssize_t count = ::read(file, block, sizeof block);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return std::nullopt;
        if (count == 0) return text;
        text.append(block, static_cast<std::size_t>(count));
    }
}

Status check_header(std::string_view line) {
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

// Whether a line was cut off while it was written. A line that lacks no more than its end is whole.
bool is_torn(const Line& line) {
    if (line.ended) return false;
    return line.number == 1 ? !check_header(line.text).ok() : !record_from_json(line.text).ok();
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
        Result<Record> record = record_from_json(line.text);
        if (record.ok()) {
            parsed.content.records.push_back(std::move(record).value());
        } else {
            parsed.offences.push_back(fmt::format("{}:{}: {}", display(path), line.number, record.status().message()));
        }
    }
    return parsed;
}

Result<Parsed> load(const fs::path& path) {
    const File file(path, O_RDONLY);
    if (*file < 0) return io_error(path, errno);
    add_input(*file, path);
    // A writer holds the lock while it removes half a line.
    while (::flock(*file, LOCK_SH) != 0 && errno == EINTR) {
    }
    const std::optional<std::string> text = read_all(*file);
    if (!text) return io_error(path, errno);
    if (text->empty())
        return parse_error(fmt::format("{}: expected {}, found an empty file", display(path), header_line()));
    return parse(path, *text);
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
    const File file(path, O_RDWR | O_APPEND | O_CREAT);
    if (*file < 0) return io_error(path, errno);
    while (::flock(*file, LOCK_EX) != 0) {
        if (errno != EINTR) return io_error(path, errno);
    }
    const std::optional<std::string> text = read_all(*file);
    if (!text) return io_error(path, errno);
    std::vector<std::string> notes;
    const std::vector<Line> lines = lines_of(*text);
    std::size_t size = text->size();
    if (!lines.empty()) {
        const Line& last = lines.back();
        if (is_torn(last)) {
            size -= last.text.size();
            if (::ftruncate(*file, static_cast<off_t>(size)) != 0) return io_error(path, errno);
            notes.push_back(torn_note(path, last));
        } else if (!last.ended && !write_line(*file, "")) {
            return io_error(path, errno);
        }
        if (size > 0) {
            if (Status status = check_header(lines.front().text); !status.ok())
                return parse_error(fmt::format("{}:1: {}", display(path), status.message()));
        }
    }
    if (size == 0 && !write_line(*file, header_line())) return io_error(path, errno);
    for (const Record& record : records) {
        if (!write_line(*file, to_json(record))) return io_error(path, errno);
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
