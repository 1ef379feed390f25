#include "runtime/schedule_in_use.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/found_once.h"
#include "base/printable.h"
#include "runtime/kernel_table.h"

namespace octile {
namespace {

constexpr const char* kVariable = "OCTILE_CORE";

std::optional<int> find_schedule(std::string_view name) {
    const auto names = built_schedules();
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return std::nullopt;
    return static_cast<int>(found - names.begin());
}

// Empty if the variable is unset, or set to nothing.
Result<std::string> core_of_environment() {
    const char* value = std::getenv(kVariable);
    if (!value || !*value) return std::string();
    if (!find_schedule(value) && !is_core_name(value)) {
        return Status(
            StatusCode::kInvalidArgument,
            fmt::format("{}: core {} is unknown; expected the name of a core, or one of the schedules of this "
                        "build: {}",
                        kVariable, internal::quote(value), fmt::join(built_schedules(), " ")));
    }
    return std::string(value);
}

}  // namespace

int schedule_of(std::string_view core) {
    // Relatives of relatives: no chain of the table is longer than it.
    for (int steps = 0; !core.empty() && steps < 16; steps++) {
        if (const std::optional<int> schedule = find_schedule(core)) return *schedule;
        core = relative_of(core);
    }
    return 0;
}

Result<CoreInUse> core_in_use() {
    Result<std::string> named = core_of_environment();
    if (!named.ok()) return named.status();
    CoreInUse in_use;
    in_use.core = std::move(named).value();
    in_use.from_environment = true;
    if (in_use.core.empty()) {
        in_use.kind = core_kind();
        in_use.core = name_of_core(in_use.kind.identity);
        in_use.from_environment = false;
    }
    in_use.schedule = schedule_of(in_use.core);
    return in_use;
}

Result<int> schedule_in_use() {
    const Result<std::string> named = core_of_environment();
    if (!named.ok()) return named.status();
    if (!named.value().empty()) return schedule_of(named.value());
    static constinit FoundOnce<int> schedule;
    return schedule.get([] { return schedule_of(name_of_core(core_kind().identity)); });
}

}  // namespace octile
