// How a norm cuts its rows into strips that stay in the cache from the norm to the last that reads them.
#pragma once

#include <algorithm>
#include <cstdint>

namespace octile {

// Rows of one strip: whole panels.
inline std::int64_t norm_strip_rows(std::int64_t k, std::int64_t panel_m) {
    constexpr std::int64_t kStripBytes = 64 << 10;
    const std::int64_t row_bytes = k * static_cast<std::int64_t>(sizeof(float));
    return std::max<std::int64_t>(1, kStripBytes / (panel_m * row_bytes)) * panel_m;
}

// Of scratch memory, for each piece of the work.
inline std::int64_t norm_scratch_bytes(std::int64_t k, std::int64_t panel_m) {
    return norm_strip_rows(k, panel_m) * k * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace octile
