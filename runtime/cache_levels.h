// The caches of this machine, as the operating system tells them.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "octile/core.h"

namespace octile {

inline constexpr const char* kCachesOfFirstCpu = "/sys/devices/system/cpu/cpu0/cache";

// Data and unified caches of the first CPU, from the first level on, bytes_per_cycle left 0. Empty where the system
// says nothing. `folder`: kCachesOfFirstCpu or the like of it.
std::vector<CacheLevel> read_caches(const std::filesystem::path& folder);

// CPUs of a list such as "0-3,8"; 1 where it is none.
int count_cpus(std::string_view list);

}  // namespace octile
