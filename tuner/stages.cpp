#include "tuner/stages.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "tuner/record.h"
#include "tuner/schedule_file.h"

namespace octile::tuner {
namespace {

// A candidate of a job has about four kernels that no other one has, which take a second or two each.
constexpr double kBuildSeconds = 5;

double predicted_of(const Parameters& parameters, const LevelTraits& traits, const TuneSettings& settings,
                    const std::vector<TunedLayer>& layers) {
    double sum = 0;
    for (const TunedLayer& layer : layers)
        sum += std::log(predicted_cycles(parameters, traits, settings.core, layer));
    return std::exp(sum / static_cast<double>(layers.size()));
}

// Variants of a tile are more alike than tiles are: behind the best of its tile, each counts as a little slower, so
// that the first generation holds many tiles.
void spread_over_tiles(StageSpace& stage) {
    constexpr double kBehind = 0.02;
    std::vector<std::size_t> order(stage.candidates.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return stage.candidates[a].predicted < stage.candidates[b].predicted;
    });
    std::map<std::pair<int, int>, int> seen;
    for (const std::size_t at : order) {
        const Parameters& point = stage.space.points[at];
        stage.candidates[at].predicted *= 1 + kBehind * seen[{point.panel_m, point.panel_n * point.panels}]++;
    }
}

}  // namespace

std::vector<TunedLayer> layers_of(const Model& model) {
    std::vector<TunedLayer> layers;
    std::set<TunedLayer> seen;
    for (const Layer& layer : model.layers) {
        const TunedLayer tuned{layer.m, layer.k, layer.n, layer.activation};
        if (layer.op == Op::kLinear && seen.insert(tuned).second) layers.push_back(tuned);
    }
    return layers;
}

ShapeClass class_of(const TunedLayer& layer, const LevelTraits& traits, const Core& core) {
    const std::size_t second = std::min<std::size_t>(1, core.caches.size() - 1);
    const double half = core.caches.empty() ? 128 * 1024 : core.caches[second].kib * 1024 / 2;
    const bool large = static_cast<double>(layer.k) * static_cast<double>(layer.n) * traits.weight_bytes > half;
    if (layer.m == 1) return large ? ShapeClass::kRowLarge : ShapeClass::kRow;
    return large ? ShapeClass::kLarge : ShapeClass::kMany;
}

std::vector<StageStep> steps_of(const TuneSettings& settings, const LevelTraits& traits) {
    StageStep panels{.name = "panels", .stage = Stage::kPanels, .share = 5, .layers = {}};
    StageStep small{.name = "blocking", .stage = Stage::kBlocking, .large = false, .share = 1, .layers = {}};
    StageStep large{.name = "large", .stage = Stage::kBlocking, .small = false, .share = 2, .layers = {}};
    StageStep row{.name = "row", .stage = Stage::kRow, .share = 2, .layers = {}};
    for (const TunedLayer& layer : settings.layers) {
        const ShapeClass shape_class = class_of(layer, traits, settings.core);
        if (is_row(shape_class)) {
            row.layers.push_back(layer);
            continue;
        }
        panels.layers.push_back(layer);
        (is_large(shape_class) ? large : small).layers.push_back(layer);
    }
    std::vector<StageStep> steps;
    for (StageStep& step : std::vector{panels, small, large, row}) {
        if (settings.modelled && step.stage == Stage::kBlocking) continue;
        if (!step.layers.empty()) steps.push_back(std::move(step));
    }
    return steps;
}

std::string label_of_entry(const nlohmann::json& entry) {
    return label_of(parameters_of(entry));
}

std::string name_of_entry(const nlohmann::json& entry) {
    return digest(entry.dump()).substr(0, 10);
}

StageSpace space_of(const StageStep& step, const TuneSettings& settings, const LevelTraits& traits,
                    const nlohmann::json& entry) {
    SpaceSettings wanted{.stage = step.stage,
                         .threads = settings.threads,
                         .large = step.large,
                         .small = step.small,
                         .longest_k = 0,
                         .orders = !settings.modelled};
    for (const TunedLayer& layer : step.layers)
        wanted.longest_k = std::max(wanted.longest_k, layer.k);
    StageSpace stage{.space = enumerate(parameters_of(entry), traits, settings.core, wanted), .candidates = {}};
    std::vector<Parameters> kept;
    const double base = predicted_of(stage.space.points.front(), traits, settings, step.layers);
    for (const Parameters& point : stage.space.points) {
        Candidate candidate;
        candidate.entry = kept.empty() ? entry : entry_of(point, traits, entry);
        candidate.name = name_of_entry(candidate.entry);
        const auto shard = std::stoull(candidate.name, nullptr, 16) % static_cast<unsigned>(settings.shard.count);
        if (!kept.empty() && (candidate.entry == entry || static_cast<int>(shard) != settings.shard.index)) continue;
        candidate.label = label_of(point);
        candidate.predicted = predicted_of(point, traits, settings, step.layers) / base;
        kept.push_back(point);
        stage.candidates.push_back(std::move(candidate));
    }
    stage.space.points = std::move(kept);
    spread_over_tiles(stage);
    return stage;
}

SearchSettings search_settings(const StageStep& step, const TuneSettings& settings, std::size_t candidates) {
    SearchSettings search = settings_of(settings.rigor, step.layers.size(), candidates);
    search.seed = settings.seed;
    search.trials = settings.trials;
    // The panels are what matters most, and what most can be gained by; a model says least about blocking.
    if (settings.rigor == Rigor::kMeasure && step.stage != Stage::kPanels) search.first = 12;
    search.first = std::min(search.first, candidates);
    // No more than can be built in half of the time.
    const double share = step.share / 10;
    const auto affordable = static_cast<std::size_t>(settings.budget_seconds * share / 2 / kBuildSeconds);
    if (settings.rigor != Rigor::kExhaustive)
        search.first = std::min(search.first, std::max<std::size_t>(4, affordable));
    return search;
}

StagePlan plan_of(const StageStep& step, const TuneSettings& settings, const LevelTraits& traits,
                  const StageSpace& stage) {
    const SearchSettings search = search_settings(step, settings, stage.candidates.size());
    StagePlan plan{.name = step.name,
                   .layers = step.layers,
                   .points = stage.candidates.size(),
                   .pruned = stage.space.pruned,
                   .first = search.first,
                   .rungs = planned_rungs(search.first, search),
                   .ranked = {}};
    double round = 0;
    for (const TunedLayer& layer : step.layers) {
        const double call = predicted_cycles(stage.space.points.front(), traits, settings.core, layer) /
                            (settings.core.clock_ghz * 1e9 * settings.threads);
        round += std::max(settings.sample_ms * 1e-3, call) + call;
    }
    for (const Rung& rung : plan.rungs)
        plan.measure_seconds += static_cast<double>(rung.candidates) * rung.rounds * round;
    plan.build_seconds = kBuildSeconds * static_cast<double>(search.first);
    std::vector<std::size_t> order(stage.candidates.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return stage.candidates[a].predicted < stage.candidates[b].predicted;
    });
    for (const std::size_t at : order)
        plan.ranked.push_back(stage.candidates[at].label);
    return plan;
}

Result<std::vector<StagePlan>> plan_stages(const TuneSettings& settings) {
    const Result<nlohmann::json> entry =
        schedule_entry(settings.source / "schedules", "", settings.isa, settings.kernel);
    if (!entry.ok()) return entry.status();
    if (entry->is_null()) return Status(StatusCode::kInvalidArgument, "--isa: no kernels of this level for the family");
    const LevelTraits traits = LevelTraits::of(settings.kernel, settings.isa, entry.value());
    std::vector<StagePlan> plans;
    for (const StageStep& step : steps_of(settings, traits))
        plans.push_back(plan_of(step, settings, traits, space_of(step, settings, traits, entry.value())));
    return plans;
}

}  // namespace octile::tuner
