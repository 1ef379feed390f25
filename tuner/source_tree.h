// Octile's source tree, which `octile tune` builds in: where it is, and whether it may be used.
#pragma once

#include <filesystem>
#include <string>

#include "octile/status.h"

namespace octile::tuner {

// `given`, whosever it is; unless it is given, the folder above the working one, or above the program, that has
// schedules/default.json and tuner/candidates.py. That must be what the program was built in, or this user's
// (check_owner): a build runs what is in it. kInvalidArgument, naming what was found, otherwise.
Result<std::filesystem::path> find_source(const std::string& given);

// Whether all of a folder is this user's: it, what is in it, and where links in it lead, owned by the user or, but for
// the folder itself, by root, and written to by nobody else. The folders above it must not let others replace it.
// kInvalidArgument, naming the first file or folder that is another's.
Status check_owner(const std::filesystem::path& folder);

}  // namespace octile::tuner
