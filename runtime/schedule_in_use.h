// Which of the archive's schedules runs: the one for the core at hand.
#pragma once

#include <string>
#include <string_view>

#include "octile/status.h"
#include "runtime/core_identity.h"

namespace octile {

// `core` is the name that OCTILE_CORE gives, or that of what the hardware says; empty: one without a name.
struct CoreInUse {
    std::string core;
    bool from_environment = false;
    CoreKind kind;     // of the hardware; without an identity if OCTILE_CORE gives the name
    int schedule = 0;  // of built_schedules(): the core's own, its nearest relative's, or the first
};

// kInvalidArgument if OCTILE_CORE names neither a schedule nor a core; nothing is assumed then. Read on every call.
Result<CoreInUse> core_in_use();

// The schedule alone, for which the hardware is asked once per process.
Result<int> schedule_in_use();

// The schedule, by its number in built_schedules(), that a core of this name runs.
int schedule_of(std::string_view core);

}  // namespace octile
