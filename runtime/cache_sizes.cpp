#include "runtime/cache_sizes.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/found_once.h"

namespace octile {
namespace {

// What glibc knows; on Arm that is often 0, and musl does not know the names.
std::int64_t size_of_libc([[maybe_unused]] int level) {
#if defined(_SC_LEVEL1_DCACHE_SIZE) && defined(_SC_LEVEL2_CACHE_SIZE)
    return ::sysconf(level == 1 ? _SC_LEVEL1_DCACHE_SIZE : _SC_LEVEL2_CACHE_SIZE);
#else
    return 0;
#endif
}

// Of the first CPU, as the kernel describes it; 0 where it does not.
std::int64_t size_in_sysfs(int level) {
    constexpr int kMostCaches = 8;
    for (int index = 0; index < kMostCaches; index++) {
        const auto file = [&](const char* name) {
            return std::ifstream(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/{}", index, name));
        };
        int found_level = 0;
        std::string type;
        if (!(file("level") >> found_level) || !(file("type") >> type)) return 0;
        if (found_level != level || type == "Instruction") continue;
        std::int64_t size = 0;
        char unit = 0;
        if (!(file("size") >> size >> unit)) return 0;
        return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : 0;
    }
    return 0;
}

std::int64_t size_or(int level, std::int64_t fallback) {
    std::int64_t size = size_of_libc(level);
    if (size <= 0) size = size_in_sysfs(level);
    return size > 0 ? size : fallback;
}

constinit FoundOnce<std::int64_t> level1, level2;

}  // namespace

CacheSizes cache_sizes() {
    return {level1.get([] { return size_or(1, 32 << 10); }), level2.get([] { return size_or(2, 256 << 10); })};
}

}  // namespace octile
