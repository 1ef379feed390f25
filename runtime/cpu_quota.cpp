#include "runtime/cpu_quota.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace octile {
namespace {

namespace fs = std::filesystem;

// Empty if there is no such file. A process has tens of mounts, a container host thousands.
std::string read_file(const fs::path& path) {
    constexpr std::size_t kMostBytes = 1 << 22;
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "re"));
    std::string text;
    char block[4096];
    while (file && text.size() < kMostBytes) {
        const std::size_t count = std::fread(block, 1, sizeof block, file.get());
        if (count == 0) break;
        text.append(block, count);
    }
    return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(separator), text.size());
        parts.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

bool holds(const std::vector<std::string_view>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::optional<std::int64_t> number(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.remove_suffix(1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// "\040" is how the kernel spells a space in a path.
std::string unescape(std::string_view text) {
    std::string path;
    for (std::size_t i = 0; i < text.size(); i++) {
        int code = 0;
        if (text[i] == '\\' && i + 4 <= text.size() &&
            std::from_chars(&text[i + 1], &text[i] + 4, code, 8).ptr == &text[i] + 4) {
            path += static_cast<char>(code);
            i += 3;
        } else {
            path += text[i];
        }
    }
    return path;
}

// A hierarchy of cgroups as it is mounted: /proc/self/mountinfo.
struct Mount {
    std::string root, point;  // what of the hierarchy is seen, and where
    bool unified;             // v2
};

// Those that may limit CPU time.
std::vector<Mount> cgroup_mounts(const fs::path& root) {
    std::vector<Mount> mounts;
    const std::string text = read_file(root / "proc/self/mountinfo");
    for (const std::string_view line : split(text, '\n')) {
        // 30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
        const std::size_t separator = line.find(" - ");
        if (separator == line.npos) continue;
        const std::vector<std::string_view> left = split(line.substr(0, separator), ' '),
                                            right = split(line.substr(separator + 3), ' ');
        if (left.size() < 5 || right.empty()) continue;
        const bool unified = right[0] == "cgroup2";
        const bool timed = right[0] == "cgroup" && right.size() >= 3 && holds(split(right[2], ','), "cpu");
        if (unified || timed) mounts.push_back({unescape(left[3]), unescape(left[4]), unified});
    }
    return mounts;
}

// The path of this process's cgroup in the hierarchy, from /proc/self/cgroup: "0::/path", "4:cpu,cpuacct:/path".
std::optional<std::string> cgroup_path(std::string_view cgroups, bool unified) {
    for (const std::string_view line : split(cgroups, '\n')) {
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == line.npos || second == line.npos) continue;
        const std::string_view controllers = line.substr(first + 1, second - first - 1);
        if (unified ? controllers.empty() && line.substr(0, first) == "0" : holds(split(controllers, ','), "cpu"))
            return std::string(line.substr(second + 1));
    }
    return std::nullopt;
}

std::optional<double> quota_of(const fs::path& folder, bool unified) {
    std::optional<std::int64_t> quota, period;
    if (unified) {
        const std::string text = read_file(folder / "cpu.max");  // "max 100000", "150000 100000"
        const std::vector<std::string_view> words = split(text, ' ');
        if (words.size() != 2) return std::nullopt;
        quota = number(words[0]);
        period = number(words[1]);
    } else {
        quota = number(read_file(folder / "cpu.cfs_quota_us"));  // -1: none
        period = number(read_file(folder / "cpu.cfs_period_us"));
    }
    if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
    return static_cast<double>(*quota) / static_cast<double>(*period);
}

// Below the mount point; the point itself where the process's cgroup lies outside of what is mounted, as in a container
// that sees the host's hierarchy.
fs::path below_mount(const std::string& path, const std::string& mount_root) {
    const fs::path relative = fs::path(path).lexically_relative(mount_root);
    return relative.empty() || *relative.begin() == ".." ? fs::path() : relative;
}

}  // namespace

std::optional<double> cpu_quota(const fs::path& root) {
    const std::string cgroups = read_file(root / "proc/self/cgroup");
    std::optional<double> least;
    for (const Mount& mount : cgroup_mounts(root)) {
        const std::optional<std::string> path = cgroup_path(cgroups, mount.unified);
        if (!path) continue;
        const fs::path point = root / fs::path(mount.point).relative_path();
        for (fs::path below = below_mount(*path, mount.root);; below = below.parent_path()) {
            if (const std::optional<double> quota = quota_of(point / below, mount.unified))
                least = std::min(least.value_or(*quota), *quota);
            if (below.empty()) break;
        }
    }
    return least;
}

}  // namespace octile
