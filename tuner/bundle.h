// A search's first round to be measured where nothing can be reached: a tar of the program, its jobs and a script.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "octile/status.h"
#include "tuner/session.h"

namespace octile::tuner {

// Builds the candidates that every stage would begin with, all of them around the default, and writes `path`: unpacked,
// `sh run.sh` writes results.jsonl beside it, and goes on where it was if it is started again.
Status make_bundle(const TuneSettings& settings, const std::filesystem::path& path, TuneObserver& observer,
                   const std::atomic<bool>& stop);

// Appends what a bundle's results.jsonl holds to the database. Jobs that are in it already are left out; half an answer
// at the end is, with a note. Returns the number of records.
Result<std::size_t> import_results(const std::filesystem::path& results, const std::filesystem::path& database,
                                   TuneObserver& observer);

}  // namespace octile::tuner
