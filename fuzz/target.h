// Fuzz targets: one for every reader of bytes that are not ours. Each takes an input of any size and content, and does
// with it what the library and the command do with such a file; whatever is wrong aborts.
#pragma once

#include <span>
#include <string_view>

namespace octile::fuzz {

struct Target {
    std::string_view name;  // also the folder of its inputs, fuzz/corpus/<name>
    void (*run)(std::string_view input);
};

// Those of this build, by name.
std::span<const Target> targets();
// Null when there is none of that name.
const Target* find_target(std::string_view name);

}  // namespace octile::fuzz
