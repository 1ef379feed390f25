// Files that readers may map, without a disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace octile::fuzz {

// A regular file in memory with these bytes, by a path that stays the same for the process; `slot`, below 4, tells
// files apart that have to be there at the same time.
std::filesystem::path memory_file(std::string_view bytes, std::size_t slot = 0);

// A folder of this process, in memory where the system has one such. It is removed when the process exits in order.
const std::filesystem::path& scratch_folder();
// A file in it.
std::filesystem::path scratch_file(std::string_view name, std::string_view bytes);

}  // namespace octile::fuzz
