#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/printable.h"
#include "octile/core.h"

namespace octile {
namespace {

struct Description {
    std::string_view name, json;
};

// schedules/cores/*.json, in alphabetical order.
constexpr Description kDescriptions[] = {
#include "core_descriptions.inc"
};

}  // namespace

std::vector<std::string_view> core_names() {
    std::vector<std::string_view> names;
    for (const Description& description : kDescriptions)
        names.push_back(description.name);
    return names;
}

Result<Core> find_core(std::string_view name) {
    for (const Description& description : kDescriptions) {
        if (description.name != name) continue;
        Result<Core> core = core_from_json(description.json);
        OCTILE_CHECK_EQ(core.ok() || core.status().code() == StatusCode::kOutOfMemory, true);
        return core;
    }
    return Status(StatusCode::kInvalidArgument, fmt::format("core: expected one of {}, found {}",
                                                            fmt::join(core_names(), ", "), internal::quote(name)));
}

}  // namespace octile
