// How `octile tune` tells where it is: one line rewritten on a terminal, lines elsewhere, or JSON events.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "tuner/session.h"

namespace octile::cli {

enum class ProgressForm { kTerminal, kLines, kEvents };

// kEvents if asked for; else by what stderr is.
ProgressForm progress_form(bool events);

// Terminal and lines go to stderr, events to stdout, one JSON object a line.
std::unique_ptr<tuner::TuneObserver> make_tune_observer(ProgressForm form);

// "1:05 h", "12:30 min", "45 s"
std::string duration_text(double seconds);

// A stage before it starts, for --dry-run and --rigor estimate: how many schedules there are, which rules took how many
// out, what will be measured and about how long that takes.
std::string plan_text(const tuner::StagePlan& plan, std::size_t ranked);

}  // namespace octile::cli
