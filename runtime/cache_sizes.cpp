#include "runtime/cache_sizes.h"

#include <unistd.h>

#include "base/found_once.h"

namespace octile {
namespace {

std::int64_t size_or(int name, std::int64_t fallback) {
    const long size = ::sysconf(name);
    return size > 0 ? size : fallback;
}

constinit FoundOnce<std::int64_t> level1, level2;

}  // namespace

CacheSizes cache_sizes() {
    return {level1.get([] { return size_or(_SC_LEVEL1_DCACHE_SIZE, 32 << 10); }),
            level2.get([] { return size_or(_SC_LEVEL2_CACHE_SIZE, 256 << 10); })};
}

}  // namespace octile
