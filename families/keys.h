// Keys of config.json that are the same for all families.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "families/config.h"
#include "families/family.h"

namespace octile {

// Keys with a value that neither the family nor all families know: what they would change, nobody here can say.
std::vector<std::string> unknown_keys(const Family& family, const nlohmann::json& config);

}  // namespace octile
