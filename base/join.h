#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octile::internal {

// fmt::join() instead puts a copy of fmt's string formatter into every file that uses it.
std::string join(const std::vector<std::string>& values, std::string_view separator);

}  // namespace octile::internal
