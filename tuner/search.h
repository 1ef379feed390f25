// The search over candidates that somebody else enumerates, builds and measures. Pure: time, noise and hardware are
// behind Laboratory, and equal seeds and answers give equal searches, which is what resuming relies on.
//
// Model first: the best by prediction, and some at random, are measured. Then successive halving: all of them in turns,
// a few rounds; the better half again, twice as many rounds; and so on. What counts is a candidate's time relative to
// the default's in the same round, so that a change of clock or a busy neighbour meets both sides. Then, if the rigor
// asks for it, the neighbours of the best, until none is better.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octile/status.h"
#include "tuner/ratios.h"

namespace octile::tuner {

// Candidates measured in turns on one layer. Equal jobs of equal searches have equal names.
struct Job {
    std::string name;
    std::size_t layer = 0;
    std::vector<std::size_t> candidates = {};  // the default, 0, is always the first
    int rounds = 0;
};

struct CandidateSamples {
    std::vector<double> ns = {};  // one per round
    std::string error = {};       // why there are none
};

class Laboratory {
  public:
    virtual ~Laboratory() = default;
    // Makes candidates measurable; one flag each: false for those that cannot be.
    virtual Result<std::vector<bool>> prepare(std::span<const std::size_t> candidates) = 0;
    // One entry per candidate of the job, in its order.
    virtual Result<std::vector<CandidateSamples>> measure(const Job& job) = 0;
    // Whether to end now: the budget is used up, or somebody asked.
    virtual bool ended() const = 0;
};

enum class Rigor { kEstimate, kMeasure, kPatient, kExhaustive };

std::string_view name_of(Rigor rigor);  // "estimate" "measure" "patient" "exhaustive"
std::optional<Rigor> parse_rigor(std::string_view name);

struct SearchSettings {
    std::size_t layers = 1;
    std::size_t first = 24;      // candidates of the first generation, the default among them
    std::size_t neighbours = 0;  // most candidates of each later generation; 0: there is none
    double explored = 0.2;       // share of the first generation that is drawn, and not the best by prediction
    int first_rounds = 4;        // of the first rung; each later one has twice as many
    int most_rounds = 64;        // of one rung
    int last_rungs = 1;          // of so many rounds: jobs of their own, where they differ from one to the next
    double tie = kTie;           // share by which the default has to be beaten
    std::uint64_t seed = 1;
    std::int64_t trials = INT64_MAX;  // most samples: candidates times layers times rounds
    int beside = 0;                   // candidates that every job measures further, for its own use
};

// What each rigor sets. kEstimate measures nothing: first == 1.
SearchSettings settings_of(Rigor rigor, std::size_t layers, std::size_t candidates);

// How far a search is, for those who watch.
struct SearchProgress {
    int generation = 0, rung = 0;
    std::size_t candidates = 0;        // in this rung
    std::int64_t done = 0, total = 0;  // samples, of those that the generation will take
    std::optional<Ranked> best = {};   // of those measured on every layer
};

enum class SearchEnd { kFinished, kBudget, kStopped };

struct SearchResult {
    std::size_t best = 0;              // the default unless another one is faster beyond doubt
    Estimate estimate = {};            // of `best`
    std::vector<Ranked> ranking = {};  // of all that were measured on every layer, the fastest first
    std::int64_t trials = 0;
    SearchEnd end = SearchEnd::kFinished;
    Status status = {};  // of what ended it early; the rest holds what was found until then
};

// `predicted`: time of every candidate relative to the default's, candidate 0. `neighbours_of`: candidates that differ
// from one in a single parameter.
SearchResult search(std::span<const double> predicted, const SearchSettings& settings, Laboratory& laboratory,
                    const std::function<std::vector<std::size_t>(std::size_t)>& neighbours_of,
                    const std::function<void(const SearchProgress&)>& on_progress = {});

// The first generation that search() starts from: the default, the best by prediction, and those drawn.
std::vector<std::size_t> first_generation(std::span<const double> predicted, const SearchSettings& settings);

// Rungs of one generation of so many candidates: candidates and rounds of each.
struct Rung {
    std::size_t candidates;
    int rounds;
};
std::vector<Rung> planned_rungs(std::size_t candidates, const SearchSettings& settings);

}  // namespace octile::tuner
