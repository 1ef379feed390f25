// What a tuning database says, as tables.
#pragma once

#include <span>
#include <string>

#include "tuner/selection.h"

namespace octile::cli {

// "gemm_s8 on avx512vnni, sapphirerapids (x86:...), 512 bits, 1 thread, measured".
std::string title_of(const tuner::Group& group);

// Every schedule of every group, the fastest first.
std::string show_table(std::span<const tuner::Choice> choices);

// The chosen schedule of each group, with each layer's time before and after.
std::string best_table(std::span<const tuner::Choice> choices);
std::string best_json(std::span<const tuner::Choice> choices);

// The same as events: one {"event": "result"} line each.
std::string best_events(std::span<const tuner::Choice> choices, const std::string& session);

// Groups whose choice differs, one line each; empty: none.
std::string difference_table(std::span<const tuner::Choice> before, std::span<const tuner::Choice> after);

}  // namespace octile::cli
