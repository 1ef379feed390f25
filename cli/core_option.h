// Cores as the command line names them.
#pragma once

#include <string>

#include "octile/core.h"

namespace octile::cli {

// What a core may be, for help and messages.
std::string expected_cores();

// A core of the library, "host" (measured now), or the description in a file. kInvalidArgument for an unknown name.
Result<Core> load_core(const std::string& name);

}  // namespace octile::cli
