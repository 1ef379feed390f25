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

struct ImportResult {
    std::size_t records = 0;  // appended
    std::size_t refused = 0;  // answers that do not add up, and were left out
};

// Appends what a bundle's results.jsonl holds to the database, but for the records that are there already. Jobs without
// a whole answer, and answers that do not add up, are left out with a note each. Errors, of which nothing is appended:
// the file has no manifest; a program of another level or other kernels, or an emulator, measured it; the database
// cannot be read, or holds records of other kernels and `accept_stale` is false.
Result<ImportResult> import_results(const std::filesystem::path& results, const std::filesystem::path& database,
                                    bool accept_stale, TuneObserver& observer);

}  // namespace octile::tuner
