// `--isa`: the CPUs that a packed file is for.
#pragma once

#include <string>
#include <vector>

#include "octile/cpu.h"
#include "octile/status.h"

namespace octile::cli {

// Names of levels, "host" and "all", each possibly several separated by commas; none: host. kInvalidArgument, naming
// what there is.
Result<IsaSet> parse_isa_option(const std::vector<std::string>& names, IsaSet host);

// Levels in words, lowest first: "i8mm sve256".
std::string all_isa_names();

}  // namespace octile::cli
