// Sizes of this CPU's data caches in bytes, for blocking.
#pragma once

#include <cstdint>

namespace octile {

struct CacheSizes {
    std::int64_t level1, level2;
};

// Asked of the C library and the kernel once; where neither says, what small cores have.
CacheSizes cache_sizes();

}  // namespace octile
