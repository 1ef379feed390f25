// Sizes of this CPU's data caches in bytes, for blocking.
#pragma once

#include <cstdint>

namespace octile {

struct CacheSizes {
    std::int64_t level1, level2;
};

// Asked of the operating system once; where it does not say (many Arm kernels), what small cores have.
CacheSizes cache_sizes();

}  // namespace octile
