#include "tuner/session.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <optional>

#include "inputs/messages.h"
#include "tuner/answer_records.h"
#include "tuner/database.h"
#include "tuner/kernel_versions.h"
#include "tuner/laboratory.h"
#include "tuner/schedule_file.h"
#include "tuner/stages.h"

namespace octile::tuner {
namespace {

using nlohmann::json;

// Searches of equal settings, but for the time they have, take the same steps.
std::string session_kind(const TuneSettings& settings, const json& entry) {
    std::string text = fmt::format("{} {} {} {} {} {} {}/{} {}", settings.kernel, name_of(settings.isa),
                                   name_of(settings.rigor), settings.seed, settings.threads, settings.sample_ms,
                                   settings.shard.index, settings.shard.count, settings.core.name);
    text += digest_of_kernel(settings.kernel);
    text += entry.dump();
    for (const TunedLayer& layer : settings.layers)
        text += fmt::format(" {}x{}x{} {}", layer.m, layer.k, layer.n, name_of(layer.epilogue));
    return digest(text).substr(0, 10);
}

struct Earlier {
    std::string session;
    std::vector<Record> records;
};

// The last search of this kind in the database.
Result<Earlier> earlier_search(const TuneSettings& settings, const std::string& kind, TuneObserver& observer) {
    Earlier earlier;
    std::error_code ignored;
    if (!std::filesystem::exists(settings.database, ignored)) return earlier;
    Result<DatabaseContent> content = read_database(settings.database);
    if (!content.ok()) return content.status();
    for (const std::string& note : content->notes)
        observer.on_note(note);
    const std::string stale = stale_message(settings.database, content->records, kernel_versions());
    if (!stale.empty() && !settings.accept_stale) return Status(StatusCode::kInvalidArgument, stale);
    if (!settings.resume) return earlier;
    for (const Record& record : content->records) {
        if (record.session.starts_with(kind + ".")) earlier.session = record.session;
    }
    for (Record& record : content->records) {
        if (record.session == earlier.session) earlier.records.push_back(std::move(record));
    }
    return earlier;
}

// Default and best on all layers once more, in fresh samples: the winner of many is lucky, too. In short jobs, because
// times differ from one process to the next; at most a quarter of the trials.
SearchSettings confirmation_of(const TuneSettings& tuning, bool noisy) {
    SearchSettings settings{.layers = tuning.layers.size(), .first = 2};
    settings.explored = 0;
    settings.tie = tuning.margin.value_or(noisy ? kTie : kModelTie);
    settings.first_rounds = settings.most_rounds = noisy ? 8 : 1;
    constexpr std::int64_t kFewestJobs = 2, kMostJobs = 12;
    const auto samples = static_cast<std::int64_t>(settings.first * settings.layers) * settings.first_rounds;
    if (noisy) settings.last_rungs = static_cast<int>(std::clamp(tuning.trials / 4 / samples, kFewestJobs, kMostJobs));
    return settings;
}

}  // namespace

Result<TuneResult> tune(const TuneSettings& settings, Runner* runner, TuneObserver& observer,
                        const std::atomic<bool>& stop) {
    const Result<json> base = schedule_entry(settings.source / "schedules", "", settings.isa, settings.kernel);
    if (!base.ok()) return base.status();
    if (base->is_null())
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("--isa: {} has no kernels for {}", name_of(settings.isa), settings.kernel));
    const json& default_entry = base.value();
    const LevelTraits traits = LevelTraits::of(settings.kernel, settings.isa, default_entry);
    const std::string kind = session_kind(settings, default_entry);
    Result<Earlier> earlier = earlier_search(settings, kind, observer);
    if (!earlier.ok()) return earlier.status();
    if (settings.resume && earlier->session.empty())
        observer.on_note("no search with these settings to resume: this is a new one");
    const std::string session = earlier->session.empty() ? new_session(kind) : earlier->session;

    TuneResult result{.session = session, .entry = default_entry, .label = label_of_entry(default_entry), .status = {}};
    Workbench workbench(settings, traits, default_entry, session, std::move(earlier->records), runner, observer, stop);
    std::vector<StageStep> steps = steps_of(settings, traits);
    double shares = 1;  // of the confirmation
    for (const StageStep& step : steps)
        shares += step.share;
    bool finished = true;
    std::int64_t trials = 0, confirming = 0;  // samples
    const SearchSettings confirmation = confirmation_of(settings, runner != nullptr);
    for (const Rung& rung : planned_rungs(confirmation.first, confirmation))
        confirming += static_cast<std::int64_t>(rung.candidates * confirmation.layers) * rung.rounds;
    for (const StageStep& step : steps) {
        const StageSpace stage = space_of(step, settings, traits, result.entry);
        observer.on_stage(plan_of(step, settings, traits, stage));
        workbench.begin(step.name, step.layers, stage.candidates, workbench.seconds_left() * step.share / shares);
        shares -= step.share;
        std::vector<double> predicted;
        for (const Candidate& candidate : stage.candidates)
            predicted.push_back(candidate.predicted);
        SearchSettings limits = search_settings(step, settings, predicted.size());
        if (result.entry != default_entry) limits.beside = 1;  // the default, which all are compared with
        limits.tie = settings.margin.value_or(limits.tie);
        limits.trials = std::max<std::int64_t>(0, settings.trials - confirming - trials);
        if (!runner) limits.first_rounds = limits.most_rounds = 1;  // a model says the same each time
        const SearchResult found = search(
            predicted, limits, workbench, [&](std::size_t candidate) { return stage.space.neighbours(candidate); },
            [&](const SearchProgress& progress) {
                const std::string best = progress.best ? stage.candidates[progress.best->candidate].label : "";
                observer.on_progress(progress, best, workbench.seconds_left());
            });
        finished &= found.end == SearchEnd::kFinished;
        trials += found.trials;
        result.entry = stage.candidates[found.best].entry;
        result.label = stage.candidates[found.best].label;
        if (!found.status.ok()) {
            result.status = found.status;
            return result;
        }
        if (stop) return result;
    }
    if (result.entry != default_entry) {
        const std::vector<Candidate> two = {
            {name_of_entry(default_entry), label_of_entry(default_entry), default_entry, 1},
            {name_of_entry(result.entry), result.label, result.entry, 1}};
        workbench.begin(std::string(kConfirmation), settings.layers, two, 1e9);
        const SearchResult confirmed = search(std::vector<double>(2, 1.0), confirmation, workbench,
                                              [](std::size_t) { return std::vector<std::size_t>(); });
        result.entry = two[confirmed.best].entry;
        result.label = two[confirmed.best].label;
        result.status = confirmed.status;
        finished &= confirmed.end == SearchEnd::kFinished;
    }
    result.finished = finished && result.status.ok();
    return result;
}

}  // namespace octile::tuner
