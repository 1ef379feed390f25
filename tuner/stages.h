// The stages of a search, one after the other: each varies some parameters of the best schedule so far.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tuner/session.h"

namespace octile::tuner {

struct StageStep {
    std::string name;
    Stage stage = Stage::kPanels;
    bool small = true, large = true;  // sizes of weights that it is about
    double share = 1;                 // of the time that is left, against the shares of the steps behind it
    std::vector<TunedLayer> layers;
};

// Steps for these layers; none for classes that no layer is of.
std::vector<StageStep> steps_of(const TuneSettings& settings, const LevelTraits& traits);

struct Candidate {
    std::string name;  // digest of the entry
    std::string label;
    nlohmann::json entry;
    double predicted = 1;  // time relative to that of the stage's first candidate
};

struct StageSpace {
    Space space;
    std::vector<Candidate> candidates;  // as space.points
};

// `entry`, the best so far, and the points around it; of those that are not this shard's, none.
StageSpace space_of(const StageStep& step, const TuneSettings& settings, const LevelTraits& traits,
                    const nlohmann::json& entry);

SearchSettings search_settings(const StageStep& step, const TuneSettings& settings, std::size_t candidates);
StagePlan plan_of(const StageStep& step, const TuneSettings& settings, const LevelTraits& traits,
                  const StageSpace& space);

// Labels of one entry, whoever wrote it.
std::string label_of_entry(const nlohmann::json& entry);
std::string name_of_entry(const nlohmann::json& entry);

}  // namespace octile::tuner
