// A precision as texts for people have it.
#pragma once

#include <array>
#include <string_view>

#include "octile/types.h"

namespace octile::internal {

// "INT8" "FP16" "INT4"
constexpr std::string_view capitals_of(Precision precision) {
    constexpr std::array<std::string_view, 3> kNames = {"INT8", "FP16", "INT4"};
    return kNames[static_cast<std::size_t>(precision)];
}

}  // namespace octile::internal
