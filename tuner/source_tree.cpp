#include "tuner/source_tree.h"

#include <dirent.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "inputs/messages.h"

namespace octile::tuner {
namespace {

namespace fs = std::filesystem;

bool is_source(const fs::path& folder) {
    std::error_code ignored;
    return fs::exists(folder / "schedules/default.json", ignored) &&
           fs::exists(folder / "tuner/candidates.py", ignored);
}

// The folder itself or the nearest one above it that is a source tree; empty: none.
fs::path source_above(fs::path folder) {
    for (; folder.has_relative_path(); folder = folder.parent_path()) {
        if (is_source(folder)) return folder;
    }
    return {};
}

// Whether the running program was built in this tree, and is still there.
bool is_own(const fs::path& folder, const fs::path& program) {
    std::error_code error;
    const auto [rest, end] = std::mismatch(folder.begin(), folder.end(), program.begin(), program.end());
    return rest == folder.end() && end != program.end() && fs::equivalent(folder, OCTILE_SOURCE_DIR, error);
}

// A group that is the user's own, as most systems make one for each user.
bool is_own_group(gid_t group) {
    if (group != ::getegid()) return false;
    const passwd* user = ::getpwuid(::geteuid());
    const std::string name = user ? user->pw_name : "";
    const struct group* own = ::getgrgid(group);
    return own && name == own->gr_name && !own->gr_mem[0];
}

// Why not only the user and root decide what is there; empty: only they do.
std::string fault_of(const struct stat& info, bool of_root) {
    const uid_t user = ::geteuid();
    if (info.st_uid != user && !(of_root && info.st_uid == 0)) return fmt::format("is of user {}", info.st_uid);
    if (S_ISLNK(info.st_mode)) return {};  // has no mode of its own
    if (info.st_mode & S_IWOTH) return "may be written to by everybody";
    if ((info.st_mode & S_IWGRP) && !is_own_group(info.st_gid))
        return fmt::format("may be written to by group {}", info.st_gid);
    return {};
}

Status refuse(const fs::path& folder, const fs::path& path, std::string_view fault) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--source: found {}, where {} {}: expected a source tree that is all this user's; to use it "
                        "all the same, name it",
                        display(folder), display(path), fault)};
}

// Walks a tree and whatever its links lead to, each folder once.
class OwnerCheck {
  public:
    explicit OwnerCheck(const fs::path& folder) : folder_(folder) {}

    Status run() {
        fs::path above;
        for (const fs::path& part : folder_.parent_path()) {
            above /= part;
            struct stat info = {};
            if (::stat(above.c_str(), &info) != 0) return unreadable(above);
            info.st_mode &= (info.st_mode & S_ISVTX) ? ~mode_t{S_IWOTH | S_IWGRP} : ~mode_t{0};
            if (const std::string fault = fault_of(info, true); !fault.empty()) return refuse(folder_, above, fault);
        }
        struct stat info = {};
        if (::lstat(folder_.c_str(), &info) != 0) return unreadable(folder_);
        if (const std::string fault = fault_of(info, false); !fault.empty()) return refuse(folder_, folder_, fault);
        pending_ = {folder_};
        while (!pending_.empty()) {
            const fs::path next = std::move(pending_.back());
            pending_.pop_back();
            if (Status status = check_folder(next); !status.ok()) return status;
        }
        return {};
    }

  private:
    Status unreadable(const fs::path& path) const {
        return refuse(folder_, path, fmt::format("cannot be looked at ({})", std::strerror(errno)));
    }

    Status check_folder(const fs::path& folder) {
        const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
        if (!open) return unreadable(folder);
        struct stat info = {};
        if (::fstat(::dirfd(open.get()), &info) != 0) return unreadable(folder);
        if (!seen_.insert({info.st_dev, info.st_ino}).second) return {};
        while (const dirent* entry = ::readdir(open.get())) {
            const std::string_view name = entry->d_name;
            if (name == "." || name == ".." || name == ".git") continue;
            if (++files_ > limits::kSourceTreeFiles)
                return refuse(folder_, folder, fmt::format("is beyond the first {} files", limits::kSourceTreeFiles));
            if (Status status = check_entry(folder / name); !status.ok()) return status;
        }
        return {};
    }

    Status check_entry(const fs::path& path) {
        struct stat info = {};
        if (::lstat(path.c_str(), &info) != 0) return unreadable(path);
        if (const std::string fault = fault_of(info, true); !fault.empty()) return refuse(folder_, path, fault);
        if (S_ISLNK(info.st_mode)) {
            if (::stat(path.c_str(), &info) != 0) return {};  // leads nowhere
            if (const std::string fault = fault_of(info, true); !fault.empty()) return refuse(folder_, path, fault);
        }
        if (S_ISDIR(info.st_mode)) pending_.push_back(path);
        return {};
    }

    fs::path folder_;
    std::vector<fs::path> pending_;
    std::set<std::pair<dev_t, ino_t>> seen_;
    std::size_t files_ = 0;
};

}  // namespace

Status check_owner(const fs::path& folder) {
    return OwnerCheck(folder).run();
}

Result<fs::path> find_source(const std::string& given) {
    std::error_code ignored;
    if (!given.empty()) {
        if (is_source(given)) return fs::canonical(given);
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("--source: expected Octile's source tree, found {}", display(given)));
    }
    const fs::path program = fs::canonical("/proc/self/exe", ignored);
    for (const fs::path& start : {fs::current_path(ignored), program}) {
        const fs::path folder = source_above(start);
        if (folder.empty()) continue;
        if (!is_own(folder, program)) {
            if (Status status = check_owner(folder); !status.ok()) return status;
        }
        return folder;
    }
    return Status(StatusCode::kInvalidArgument,
                  "--source: expected Octile's source tree, found none above this folder");
}

}  // namespace octile::tuner
