#include "fuzz/require.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/limits.h"
#include "base/printable.h"

namespace octile::fuzz {

void require(bool so, std::string_view what) {
    if (so) return;
    std::fprintf(stderr, "fuzz: %s\n", internal::quote(what).c_str());
    std::fwrite(what.data(), 1, what.size(), stderr);
    std::abort();
}

bool went_well(const Status& status) {
    if (status.ok()) return true;
    const std::string& message = status.message();
    require(!message.empty() && internal::is_printable(message), "a message that is no line: " + message);
    require(message.size() <= limits::kMessageBytes, "a message that is too long: " + message);
    return false;
}

}  // namespace octile::fuzz
