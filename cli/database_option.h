// Tuning databases as the command line names them.
#pragma once

#include <string>
#include <vector>

#include "octile/status.h"
#include "tuner/database.h"

namespace octile::cli {

// A database of this build's kernels, unless others are accepted: then they are noted, as is what the reader left out.
// kInvalidArgument for records of other kernels. Notes are printed, or added to `notes`.
Result<tuner::DatabaseContent> read_records(const std::string& file, bool accept_stale,
                                            std::vector<std::string>* notes = nullptr);

}  // namespace octile::cli
