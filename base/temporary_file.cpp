#include "base/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

namespace octile {

namespace fs = std::filesystem;

// A temporary file of this process, for the signal handler. Never freed, so that it may read one at any time: some
// hundred bytes for every file that is written.
struct TemporaryPath {
    const std::string text;
    const ::pid_t process;  // a child that has not begun its own program yet removes nothing of its parent
    std::atomic<bool> there = true;
    TemporaryPath* next = nullptr;
};

namespace {

std::atomic<TemporaryPath*> paths = nullptr;
static_assert(std::atomic<TemporaryPath*>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

constexpr std::size_t kMaxName = 255;  // NAME_MAX
constexpr std::size_t kRandomBytes = 16;
constexpr std::string_view kSuffix = ".tmp";

TemporaryPath* add_path(std::string text) {
    auto* const path = new TemporaryPath{std::move(text), ::getpid()};
    path->next = paths;
    while (!paths.compare_exchange_weak(path->next, path)) {
    }
    return path;
}

// What the names of a target's temporary files begin with: of what does not fit, whole characters.
std::string prefix_of(const fs::path& target) {
    const std::string name = target.filename().native();
    std::size_t length = std::min(name.size(), kMaxName - 2 - 2 * kRandomBytes - kSuffix.size());
    while (length > 0 && length < name.size() && (static_cast<std::uint8_t>(name[length]) & 0xC0) == 0x80)
        length--;
    return fmt::format(".{}.", name.substr(0, length));
}

std::string random_digits() {
    std::array<std::uint8_t, kRandomBytes> bytes = {};
    while (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<::ssize_t>(bytes.size())) {
        if (errno != EINTR) return {};
    }
    std::string digits;
    for (const std::uint8_t byte : bytes)
        digits += fmt::format("{:02x}", byte);
    return digits;
}

bool is_temporary_name(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) return false;
    if (name.size() != prefix.size() + 2 * kRandomBytes + kSuffix.size()) return false;
    const std::string_view digits = name.substr(prefix.size(), 2 * kRandomBytes);
    return digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Removes the file if no process holds it. Whoever creates one looks after locking it whether it is still there.
void remove_if_stale(const fs::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return;
    struct stat opened = {}, named = {};
    const bool same = ::fstat(file, &opened) == 0 && S_ISREG(opened.st_mode) && ::flock(file, LOCK_EX | LOCK_NB) == 0 &&
                      ::lstat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
                      opened.st_ino == named.st_ino;
    if (same) ::unlink(path.c_str());
    ::close(file);
}

void remove_stale_files(const fs::path& target) {
    const std::string prefix = prefix_of(target);
    std::error_code ignored;
    for (fs::directory_iterator entry(target.parent_path(), ignored), end; entry != end; entry.increment(ignored)) {
        if (is_temporary_name(entry->path().filename().native(), prefix)) remove_if_stale(entry->path());
    }
}

// Gives the file what the old one has. Where its group cannot be kept, that group's permissions are not given to
// another.
int give_mode(int file, const struct stat& old) {
    struct stat now = {};
    if (::fstat(file, &now) != 0) return errno;
    ::mode_t mode = old.st_mode & 0777;
    if (now.st_uid != old.st_uid) (void)!::fchown(file, old.st_uid, static_cast<::gid_t>(-1));
    if (now.st_gid != old.st_gid && ::fchown(file, static_cast<::uid_t>(-1), old.st_gid) != 0) mode &= ~::mode_t{070};
    return ::fchmod(file, mode) == 0 ? 0 : errno;
}

}  // namespace

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : target_(std::move(other.target_)),
      path_(std::exchange(other.path_, nullptr)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

TemporaryFile& TemporaryFile::operator=(TemporaryFile&& other) noexcept {
    std::swap(target_, other.target_);
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

TemporaryFile::~TemporaryFile() {
    remove();
}

void TemporaryFile::remove() {
    if (path_ != nullptr) {
        ::unlink(path_->text.c_str());
        path_->there = false;
    }
    if (descriptor_ >= 0) ::close(descriptor_);
    path_ = nullptr;
    descriptor_ = -1;
}

int TemporaryFile::open(const OutputTarget& target) {
    const std::string digits = random_digits();
    if (digits.empty()) return errno;
    const fs::path path = target.path.parent_path() / fmt::format("{}{}{}", prefix_of(target.path), digits, kSuffix);
    // Known to the signal handler before it is there.
    path_ = add_path(path.native());
    const ::mode_t mode = target.old ? target.old->st_mode & 0700 : 0666;
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (descriptor_ >= 0) return 0;
    const int error = errno;
    path_->there = false;
    path_ = nullptr;  // whatever has this name is not ours
    return error;
}

int TemporaryFile::create(const OutputTarget& target) {
    target_ = target.path;
    remove_stale_files(target_);
    for (bool ours = false; !ours;) {
        remove();
        if (const int error = open(target); error != 0) return error;
        // Another process that looks for stale files may have found this one before it was locked.
        struct stat named = {};
        const bool taken = ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        ours = !taken && ::lstat(path_->text.c_str(), &named) == 0;
    }
    const int error = target.old ? give_mode(descriptor_, *target.old) : 0;
    if (error != 0) remove();
    return error;
}

int TemporaryFile::replace() {
    const int error = std::rename(path_->text.c_str(), target_.c_str()) == 0 ? 0 : errno;
    if (error == 0) std::exchange(path_, nullptr)->there = false;
    remove();
    return error;
}

namespace {

void on_signal(int signal) {
    for (const TemporaryPath* path = paths; path != nullptr; path = path->next) {
        if (path->there && path->process == ::getpid()) ::unlink(path->text.c_str());
    }
    ::raise(signal);  // by its default action, once this has returned
}

}  // namespace

void remove_temporary_files_on_signals() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXCPU}) {
        struct sigaction action = {};
        if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
        action.sa_handler = on_signal;
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        ::sigfillset(&action.sa_mask);
        (void)::sigaction(signal, &action, nullptr);
    }
}

}  // namespace octile
