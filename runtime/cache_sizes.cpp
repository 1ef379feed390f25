#include "runtime/cache_sizes.h"

#include <unistd.h>

namespace octile {
namespace {

std::int64_t size_or(int name, std::int64_t fallback) {
    const long size = ::sysconf(name);
    return size > 0 ? size : fallback;
}

}  // namespace

const CacheSizes& cache_sizes() {
    static const CacheSizes sizes{size_or(_SC_LEVEL1_DCACHE_SIZE, 32 << 10), size_or(_SC_LEVEL2_CACHE_SIZE, 256 << 10)};
    return sizes;
}

}  // namespace octile
