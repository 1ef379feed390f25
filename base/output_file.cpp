#include "base/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/input_files.h"
#include "base/path_text.h"

namespace octile {
namespace {

namespace fs = std::filesystem;

Status io_error_at(const fs::path& path, std::string_view what, int error) {
    return {StatusCode::kIoError, fmt::format("{}: {}{}", display(path), what, std::generic_category().message(error))};
}

// The target, where it is of the right kind and may be written over.
Result<OutputTarget> find_target(const fs::path& path, OutputKind kind, WriteOver over) {
    Result<OutputTarget> target = resolve_output(path, kind);
    if (!target.ok()) return target;
    if (target->old && over == WriteOver::kNoInput) {
        if (Status status = check_no_input(path, *target->old); !status.ok()) return status;
    }
    return target;
}

int open_stream(const OutputTarget& target) {
    if (target.descriptor >= 0) return ::fcntl(target.descriptor, F_DUPFD_CLOEXEC, 0);
    return ::open(target.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
}

}  // namespace

Status check_output(const fs::path& path, OutputKind kind) {
    return find_target(path, kind, WriteOver::kNoInput).status();
}

Result<OutputFile> OutputFile::create(const fs::path& path, OutputKind kind, WriteOver over) {
    Result<OutputTarget> target = find_target(path, kind, over);
    if (!target.ok()) return target.status();
    OutputFile output;
    output.path_ = path;
    output.target_ = std::move(target).value();
    output.over_ = over;
    int error = 0;
    if (output.target_.is_replaced()) {
        error = output.file_.create(output.target_);
    } else {
        output.stream_ = open_stream(output.target_);
        error = output.stream_ >= 0 ? 0 : errno;
    }
    if (error != 0) return output.io_error("", error);
    return output;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      file_(std::move(other.file_)),
      stream_(std::exchange(other.stream_, -1)),
      over_(other.over_) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(target_, other.target_);
    std::swap(file_, other.file_);
    std::swap(stream_, other.stream_);
    std::swap(over_, other.over_);
    return *this;
}

OutputFile::~OutputFile() {
    if (stream_ >= 0) ::close(stream_);
}

Status OutputFile::io_error(std::string_view what, int error) const {
    return io_error_at(path_, what, error);
}

Status OutputFile::reserve(std::uint64_t bytes) {
    OCTILE_CHECK_EQ(stream_, -1);
    if (bytes == 0 || ::fallocate(file_.descriptor(), 0, 0, static_cast<::off_t>(bytes)) == 0) return {};
    if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
    return io_error(fmt::format("cannot reserve {} bytes: ", bytes), errno);
}

Status OutputFile::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ::ssize_t count = ::write(descriptor(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return io_error("", count < 0 ? errno : EIO);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

Status OutputFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
    OCTILE_CHECK_EQ(stream_, -1);
    while (!bytes.empty()) {
        const ::ssize_t count = ::pwrite(file_.descriptor(), bytes.data(), bytes.size(), static_cast<::off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return io_error("cannot write: ", count < 0 ? errno : EIO);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

Status OutputFile::sync() {
    // A pipe and some devices have no such thing; they say EINVAL.
    return ::fsync(descriptor()) == 0 || errno == EINVAL || errno == EROFS ? Status()
                                                                           : io_error("cannot write: ", errno);
}

Status OutputFile::commit() {
    if (Status status = sync(); !status.ok()) return status;
    if (stream_ >= 0) {
        return ::close(std::exchange(stream_, -1)) == 0 ? Status() : io_error("cannot write: ", errno);
    }
    struct stat now = {};
    if (over_ == WriteOver::kNoInput && ::lstat(target_.path.c_str(), &now) == 0) {
        if (Status status = check_no_input(path_, now); !status.ok()) return status;
    }
    add_own_file(file_.descriptor());
    if (const int error = file_.replace(); error != 0) return io_error("cannot write: ", error);
    return sync_folder();
}

Status OutputFile::sync_folder() const {
    // One that may be written to and not read cannot be opened.
    const int folder = ::open(target_.path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return errno == EACCES ? Status() : io_error("cannot open its folder: ", errno);
    const bool synced = ::fsync(folder) == 0 || errno == EINVAL;
    const Status status = synced ? Status() : io_error("cannot write its folder: ", errno);
    ::close(folder);
    return status;
}

Status write_file(const fs::path& path, std::string_view data, WriteOver over) {
    Result<OutputFile> output = OutputFile::create(path, OutputKind::kFileOrStream, over);
    if (!output.ok()) return output.status();
    if (Status status = output->write(std::as_bytes(std::span(data))); !status.ok()) return status;
    return output->commit();
}

}  // namespace octile
