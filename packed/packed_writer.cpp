#include "packed/packed_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/path_text.h"

namespace octile {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t aligned(std::uint64_t offset) {
    return (offset + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

}  // namespace

PackedWriter::PackedWriter(fs::path path) : path_(std::move(path)) {
    // Through a symbolic link, so that the link stays one.
    std::error_code ignored;
    target_ = fs::canonical(path_, ignored);
    if (target_.empty()) target_ = path_;
    temporary_ = target_.parent_path() / fmt::format(".{}.{}.tmp", target_.filename().native(), ::getpid());
}

PackedWriter::~PackedWriter() {
    if (file_ < 0) return;
    ::close(file_);
    ::unlink(temporary_.c_str());
}

Status PackedWriter::io_error(const char* what) const {
    const std::string reason = std::generic_category().message(errno);
    return {StatusCode::kIoError, fmt::format("{}: {}: {}", display(path_), what, reason)};
}

SectionWriter PackedWriter::reserve(std::uint64_t bytes) {
    OCTILE_CHECK_EQ(file_, -1);
    SectionWriter writer;
    writer.section_ = {aligned(end_), bytes, 0};
    end_ = writer.section_.offset + bytes;
    return writer;
}

Status PackedWriter::start() {
    struct stat old = {};
    const bool replaces = ::stat(target_.c_str(), &old) == 0;
    if (replaces && !S_ISREG(old.st_mode)) {
        return {StatusCode::kIoError,
                fmt::format("{}: expected a regular file or none, for it is replaced as a whole", display(path_))};
    }
    const ::mode_t mode = replaces ? old.st_mode & 0777 : 0666;
    file_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (file_ < 0) return io_error("cannot write");
    // File systems that cannot reserve have to be written to before they say that they are full.
    if (::fallocate(file_, 0, 0, static_cast<::off_t>(end_)) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return io_error(fmt::format("cannot reserve {} bytes", end_).c_str());
    return {};
}

Status PackedWriter::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ::ssize_t count = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<::off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return io_error("cannot write");
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

Status PackedWriter::write(SectionWriter& section, std::span<const std::byte> bytes) {
    OCTILE_CHECK_LE(bytes.size(), section.left());
    if (Status status = write_at(section.section_.offset + section.written_, bytes); !status.ok()) return status;
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
    header.directory_offset = aligned(end_);
    header.directory_bytes = bytes.size();
    header.directory_checksum = xxh3(bytes);
    header.file_bytes = end_ = header.directory_offset + bytes.size();
    if (Status status = write_at(header.directory_offset, bytes); !status.ok()) return status;
    // The header last: without it, the file is none.
    if (::fsync(file_) != 0) return io_error("cannot write");
    if (Status status = write_at(0, encode(header)); !status.ok()) return status;
    if (::fsync(file_) != 0) return io_error("cannot write");
    const int closed = ::close(std::exchange(file_, -1));
    if (closed != 0 || std::rename(temporary_.c_str(), target_.c_str()) != 0) {
        const Status status = io_error("cannot write");
        ::unlink(temporary_.c_str());
        return status;
    }
    return sync_folder();
}

Status PackedWriter::sync_folder() const {
    const fs::path folder = target_.has_parent_path() ? target_.parent_path() : fs::path(".");
    const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) return io_error("cannot open its folder");
    // Some file systems have no such thing; they say EINVAL.
    const bool synced = ::fsync(opened) == 0 || errno == EINVAL;
    const Status status = synced ? Status() : io_error("cannot write its folder");
    ::close(opened);
    return status;
}

}  // namespace octile
