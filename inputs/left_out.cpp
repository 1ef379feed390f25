#include "inputs/left_out.h"

#include "base/names.h"

namespace octile {
namespace {

constexpr std::array<std::string_view, 10> kReasons = {"user",  "table", "4-bit", "experts", "float8",
                                                       "dtype", "shape", "name",  "adapter", "other"};
static_assert(kReasons.size() == static_cast<std::size_t>(LeftOutReason::kOther) + 1);

}  // namespace

std::string_view name_of(LeftOutReason reason) {
    return internal::enum_name(kReasons, reason);
}

std::optional<LeftOutReason> parse_left_out_reason(std::string_view name) {
    return internal::enum_from_name<LeftOutReason>(kReasons, name);
}

}  // namespace octile
