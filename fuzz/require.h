// What every target holds its reader to.
#pragma once

#include <string_view>

#include "octile/status.h"

namespace octile::fuzz {

// Aborts with `what`, which may be anything, unless it is so.
void require(bool so, std::string_view what);

// Whether it went well; if not, there is one printable line of bounded length that says why, or this aborts.
bool went_well(const Status& status);

template <typename T>
bool went_well(const Result<T>& result) {
    return went_well(result.status());
}

}  // namespace octile::fuzz
