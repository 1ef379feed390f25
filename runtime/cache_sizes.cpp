#include "runtime/cache_sizes.h"

#include <unistd.h>

#include <cstddef>
#include <vector>

#include "base/found_once.h"
#include "runtime/cache_levels.h"

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

// As the kernel describes the first CPU; 0 where it does not.
std::int64_t size_in_sysfs(std::size_t level) {
    const std::vector<CacheLevel> caches = read_caches(kCachesOfFirstCpu);
    return level > caches.size() ? 0 : static_cast<std::int64_t>(caches[level - 1].kib * 1024);
}

std::int64_t size_or(int level, std::int64_t fallback) {
    std::int64_t size = size_of_libc(level);
    if (size <= 0) size = size_in_sysfs(static_cast<std::size_t>(level));
    return size > 0 ? size : fallback;
}

constinit FoundOnce<std::int64_t> level1, level2;

}  // namespace

CacheSizes cache_sizes() {
    return {level1.get([] { return size_or(1, 32 << 10); }), level2.get([] { return size_or(2, 256 << 10); })};
}

}  // namespace octile
