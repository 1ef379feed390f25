#include "octile/status.h"

#include "base/names.h"

namespace octile {
namespace {

constexpr std::array<std::string_view, 8> kStatusCodes = {
    "ok",          "invalid argument", "parse error",   "io error", "non-finite value",
    "unsupported", "out of memory",    "internal error"};
static_assert(kStatusCodes.size() == static_cast<std::size_t>(StatusCode::kInternal) + 1);

}  // namespace

std::string_view name_of(StatusCode code) {
    return internal::enum_name(kStatusCodes, code);
}

}  // namespace octile
