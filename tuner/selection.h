// What the records of a database say: which schedule is the fastest for whom. Derived each time, never stored.
#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octile/planner.h"
#include "tuner/ratios.h"
#include "tuner/record.h"

namespace octile::tuner {

// Records that a schedule is chosen from: all layers of one kernel family on one core.
struct Group {
    std::string kernel;
    Isa isa = Isa::kNeon;
    std::string core;
    int vector_bits = 0, threads = 1;
    Source source = Source::kMeasured;

    auto operator<=>(const Group&) const = default;
};

Group group_of(const Record& record);

struct LayerTime {
    RecordKey layer;
    double default_ns = 0, best_ns = 0;  // medians; best by the ratio to the default in the same rounds
    double mad_ns = 0;                   // of the default
};

struct Choice {
    Group group;
    nlohmann::json params;  // of the best
    nlohmann::json default_params;
    std::string label, default_label;
    bool is_default = true;
    Estimate estimate;          // of the best
    std::size_t schedules = 0;  // that have samples
    std::vector<LayerTime> layers;

    struct Rank {
        std::string label;
        Estimate estimate;
        std::size_t layers;  // that it was measured on
    };
    std::vector<Rank> ranking;      // of all, the fastest first; those measured on every layer before the others
    std::optional<Rank> contender;  // where the default was chosen: the fastest other, if it was faster at all
};

// "+3.1 %", of how much faster than the default.
std::string percent_of(const Estimate& estimate);

// "+3.1 %, sure to 99.0 %".
std::string gain_of(const Estimate& estimate);

// What was chosen, and out of what: "8x16 instead of 8x12: +3.1 %, sure to 99.0 %, of 65 schedules".
std::string verdict_of(const Choice& choice);

// One per group, in order. The default is chosen unless another schedule, measured on every layer that the default was
// measured on, is faster beyond doubt (surely_faster). Ratios are of samples of one job; of a job recorded twice the
// later records count. Where schedules were confirmed, they alone may be chosen, by what the confirmation said. Groups
// without samples of the default are left out. `margin`: the share by which; kTie, or kModelTie where a model said it,
// unless given.
std::vector<Choice> choose(std::span<const Record> records, std::optional<double> margin = std::nullopt);

// Microseconds of layers on a core, for the planner: the medians of the chosen schedules, of measured records only.
// `core`: whether an identity is that of the planner's core.
Measurements measurements_of(std::span<const Record> records,
                             const std::function<bool(std::string_view identity, std::string_view core)>& is_core);

}  // namespace octile::tuner
