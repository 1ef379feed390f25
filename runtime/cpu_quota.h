// How much CPU time the cgroups of this process give it.
#pragma once

#include <filesystem>
#include <optional>

namespace octile {

// In processors, e.g. 1.5: the smallest quota of the process's cgroups, v1 and v2, and of those above them, as far as
// they are mounted. Nothing without a quota, and where the files of the kernel are missing or not as they should be.
// `root`: where /proc and the mounts are.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace octile
