// One run of `octile tune`: stages of searches over one kernel on one core, their measurements in the database.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "octile/core.h"
#include "octile/status.h"
#include "tuner/builder.h"
#include "tuner/runner.h"
#include "tuner/search.h"
#include "tuner/selection.h"
#include "tuner/space.h"

namespace octile::tuner {

struct Shard {
    int index = 0, count = 1;  // of the candidates, this part; the default belongs to all
};

struct TuneSettings {
    std::vector<TunedLayer> layers;
    std::string kernel = "gemm_s8";
    Isa isa = Isa::kNeon;
    Core core;  // for the model that ranks candidates before they are measured
    Rigor rigor = Rigor::kMeasure;
    double budget_seconds = 600;
    std::int64_t trials = INT64_MAX;
    std::uint64_t seed = 1;
    int threads = 1;
    double sample_ms = 2;
    int cpu = -1;
    double job_seconds = 0;  // after which a job hangs; 0: many times what it should take
    Shard shard;
    std::optional<double> margin;  // share by which the default has to be beaten; unless given, as choose() has it
    bool resume = false;
    bool accept_stale = false;
    bool modelled = false;  // no runner: caches and prefetches, which the model knows little of, are left alone
    bool builds = true;     // false: the program in `build` has all candidates already

    std::filesystem::path source;    // Octile's tree
    std::filesystem::path build;     // folder for candidates' builds
    std::filesystem::path database;  // tuning.jsonl
};

// Distinct linears of a network, in order.
std::vector<TunedLayer> layers_of(const Model& model);

ShapeClass class_of(const TunedLayer& layer, const LevelTraits& traits, const Core& core);

// A stage before it starts: what `--dry-run` prints.
struct StagePlan {
    std::string name;
    std::vector<TunedLayer> layers;
    std::size_t points = 0;
    std::map<std::string, std::size_t> pruned;
    std::size_t first = 0;
    std::vector<Rung> rungs;
    double build_seconds = 0, measure_seconds = 0;
    std::vector<std::string> ranked;  // labels, the best by prediction first
};

// What happens, for those who watch.
class TuneObserver {
  public:
    virtual ~TuneObserver() = default;
    virtual void on_stage(const StagePlan& plan) = 0;
    virtual void on_build(std::size_t candidates) = 0;
    virtual void on_dropped(const std::string& label, const std::string& reason) = 0;
    virtual void on_progress(const SearchProgress& progress, const std::string& best, double seconds_left) = 0;
    virtual void on_note(const std::string& text) = 0;
};

struct TuneResult {
    std::string session;
    nlohmann::json entry;  // the best: the default's unless another one is faster beyond doubt
    std::string label;
    bool finished = false;  // false: the budget was used up, somebody stopped it, or `status`
    Status status;
};

// The stages that a search would have if every one of them left the default where it is.
Result<std::vector<StagePlan>> plan_stages(const TuneSettings& settings);

// `runner`: null for a model of settings.core by llvm-mca. Errors are of what keeps a search from starting; what ends
// one is in TuneResult.
Result<TuneResult> tune(const TuneSettings& settings, Runner* runner, TuneObserver& observer,
                        const std::atomic<bool>& stop);

}  // namespace octile::tuner
