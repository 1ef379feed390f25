#include "base/join.h"

namespace octile::internal {

std::string join(const std::vector<std::string>& values, std::string_view separator) {
    std::string text;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i > 0) text += separator;
        text += values[i];
    }
    return text;
}

}  // namespace octile::internal
