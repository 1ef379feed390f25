#include "tuner/laboratory.h"

#include <fmt/format.h>

#include <algorithm>

#include "tuner/core_names.h"
#include "tuner/database.h"
#include "tuner/kernel_versions.h"

namespace octile::tuner {
namespace {

template <typename Duration>
double seconds_of(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

BuildSettings build_settings(const TuneSettings& settings, bool program) {
    BuildSettings build{.source = settings.source,
                        .folder = settings.build,
                        .isa = settings.isa,
                        .kernel = settings.kernel,
                        .rows = {},
                        .program = program};
    for (const TunedLayer& layer : settings.layers)
        build.rows.push_back(layer.m);
    return build;
}

}  // namespace

Workbench::Workbench(const TuneSettings& settings, const LevelTraits& traits, const nlohmann::json& default_entry,
                     std::string session, std::vector<Record> earlier, Runner* runner, TuneObserver& observer,
                     const std::atomic<bool>& stop)
    : settings_(settings),
      traits_(traits),
      context_{.session = std::move(session),
               .kernel = settings.kernel,
               .isa = settings.isa,
               .core = settings.core,
               .default_name = name_of_entry(default_entry),
               .entries = {},
               .source = runner ? Source::kMeasured : Source::kModel},
      runner_(runner),
      observer_(observer),
      stop_(stop),
      builder_(build_settings(settings, runner != nullptr), stop) {
    context_.entries[context_.default_name] = {label_of_entry(default_entry), default_entry};
    double spent = 0;
    std::set<std::string> counted;
    for (Record& record : earlier) {
        if (counted.insert(record.job).second) spent += record.job_seconds;
        const std::string name = name_of_entry(record.params);
        earlier_[record.job].insert_or_assign(name, std::move(record));
    }
    end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                              std::chrono::duration<double>(std::max(0.0, settings.budget_seconds - spent)));
    stage_end_ = end_;
}

void Workbench::begin(std::string stage, std::vector<TunedLayer> layers, std::vector<Candidate> candidates,
                      double seconds) {
    stage_ = std::move(stage);
    layers_ = std::move(layers);
    candidates_ = std::move(candidates);
    for (const Candidate& candidate : candidates_)
        context_.entries.insert({candidate.name, {candidate.label, candidate.entry}});
    stage_end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

double Workbench::seconds_left() const {
    return std::max(0.0, seconds_of(end_ - Clock::now()));
}

bool Workbench::ended() const {
    return stop_ || Clock::now() >= stage_end_;
}

Result<std::vector<bool>> Workbench::prepare(std::span<const std::size_t> wanted) {
    // Everything that a job of this stage may ask for is in one program: the default, then the rest.
    std::vector<BuildCandidate> build = {{context_.default_name, context_.entries.at(context_.default_name).entry}};
    std::set<std::string> names = {context_.default_name};
    const auto add = [&](const std::string& name) {
        if (!broken_.contains(name) && names.insert(name).second)
            build.push_back({name, context_.entries.at(name).entry});
    };
    for (const std::size_t at : wanted)
        add(candidates_[at].name);
    if (names != installed_) {
        if (settings_.builds) {
            observer_.on_build(build.size());
            // Measuring needs its part of the time.
            const double seconds = std::max(30.0, 0.7 * seconds_of(stage_end_ - Clock::now()));
            const Result<std::map<std::string, std::string>> reasons = builder_.build(build, seconds);
            if (!reasons.ok()) return reasons.status();
            for (const auto& [name, reason] : reasons.value()) {
                broken_[name] = reason;
                names.erase(name);
                observer_.on_dropped(context_.entries.at(name).label, reason);
            }
        }
        if (runner_) {
            if (Status status = runner_->install(builder_.program()); !status.ok()) return status;
        } else {
            const Result<std::string> text = builder_.model(settings_.core.name);
            if (!text.ok()) return text.status();
            Result<std::map<std::string, std::vector<TileCost>>> costs = tile_costs_from_json(text.value());
            if (!costs.ok()) return costs.status();
            for (auto& [name, tiles] : costs.value())
                tile_costs_.insert_or_assign(name, std::move(tiles));
        }
        installed_ = names;
    }
    std::vector<bool> usable;
    for (const std::size_t at : wanted)
        usable.push_back(installed_.contains(candidates_[at].name));
    return usable;
}

JobText Workbench::text_of(const Job& job) const {
    const TunedLayer& layer = layers_[job.layer];
    JobText text{.job = fmt::format("{}/{}.{}", context_.session, stage_, job.name),
                 .m = layer.m,
                 .k = layer.k,
                 .n = layer.n,
                 .epilogue = layer.epilogue,
                 .threads = settings_.threads,
                 .candidates = {},
                 .rounds = job.rounds,
                 .sample_ms = settings_.sample_ms,
                 .cpu = settings_.cpu};
    for (const std::size_t at : job.candidates)
        text.candidates.push_back(candidates_[at].name);
    if (std::find(text.candidates.begin(), text.candidates.end(), context_.default_name) == text.candidates.end())
        text.candidates.push_back(context_.default_name);
    return text;
}

std::vector<CandidateSamples> Workbench::samples_of(const Answer& answer, std::size_t count) const {
    std::vector<CandidateSamples> samples;
    for (std::size_t i = 0; i < count; ++i)
        samples.push_back({answer.candidates[i].ns, answer.candidates[i].error});
    return samples;
}

std::optional<std::vector<CandidateSamples>> Workbench::replay(const Job& job, const JobText& text) {
    const auto found = earlier_.find(fmt::format("{}.{}", stage_, job.name));
    if (found == earlier_.end() || found->second.size() != text.candidates.size()) return std::nullopt;
    std::vector<CandidateSamples> samples;
    for (const std::string& name : text.candidates) {
        const auto record = found->second.find(name);
        if (record == found->second.end()) return std::nullopt;
        const std::vector<double>& ns = record->second.ns;
        if (!ns.empty() && ns.size() != static_cast<std::size_t>(job.rounds)) return std::nullopt;
        if (samples.size() < job.candidates.size()) samples.push_back({ns, record->second.error});
    }
    return samples;
}

Result<std::vector<CandidateSamples>> Workbench::measure(const Job& job) {
    const JobText text = text_of(job);
    if (auto samples = replay(job, text)) return std::move(*samples);
    const Result<Answer> answer = ask_without_culprits(text);
    if (!answer.ok()) return answer.status();
    if (Status status = append(answer.value(), text); !status.ok()) return status;
    for (const CandidateAnswer& one : answer->candidates) {
        if (!one.error.empty()) observer_.on_dropped(context_.entries.at(one.candidate).label, one.error);
    }
    return samples_of(answer.value(), job.candidates.size());
}

Result<Answer> Workbench::model(const JobText& text) const {
    Answer answer{.job = text.job,
                  .kernel = settings_.kernel,
                  .kernels = std::string(digest_of_kernel(settings_.kernel)),
                  .isa = std::string(octile::name_of(settings_.isa)),
                  .core = std::string(kModelPrefix) + settings_.core.name,
                  .vector_bits = settings_.isa == Isa::kSve256 ? 256 : 128,
                  .octile = OCTILE_VERSION,
                  .halide = std::string(halide_version()),
                  .clang = std::string(clang_version()),
                  .emulated = {},
                  .candidates = {},
                  .seconds = 0};
    for (const std::string& name : text.candidates) {
        const auto tiles = tile_costs_.find(name);
        std::optional<double> ns;
        if (tiles != tile_costs_.end())
            ns = modelled_ns(parameters_of(context_.entries.at(name).entry), traits_, settings_.core,
                             {text.m, text.k, text.n, text.epilogue}, tiles->second);
        if (ns)
            answer.candidates.push_back(
                {name, false, {}, std::vector<double>(static_cast<std::size_t>(text.rounds), *ns)});
        else
            answer.candidates.push_back({name, false, "the model has no tile of this height", {}});
    }
    return answer;
}

Result<Answer> Workbench::ask(const JobText& text) {
    if (!runner_) return model(text);
    // A sample and the call before it; a candidate is packed and verified first.
    const double products = static_cast<double>(text.m) * static_cast<double>(text.k) * static_cast<double>(text.n);
    const double expected = static_cast<double>(text.candidates.size()) *
                            (text.rounds * (2e-3 * text.sample_ms + 0.05) + 1 + 1e-9 * products);
    const Result<std::string> reply =
        runner_->run(to_json(text), settings_.job_seconds > 0 ? settings_.job_seconds : 60 + 4 * expected);
    if (!reply.ok()) return reply.status();
    Result<Answer> answer = answer_from_text(reply.value(), text);
    const Status status = answer.ok() ? check_level(answer.value(), settings_.kernel, settings_.isa) : answer.status();
    if (!status.ok()) return Status(status.code(), fmt::format("the runner's answer: {}", status.message()));
    return answer;
}

// A job that fails as a whole may do so by one candidate that crashes or hangs. Those that fail beside the default
// alone are out; if that is all of them, it is not they.
Result<Answer> Workbench::ask_without_culprits(JobText text) {
    const std::vector<std::string> all = text.candidates;
    constexpr int kAttempts = 2;
    Result<Answer> answer = ask(text);
    for (int attempt = 1; attempt < kAttempts && !answer.ok() && !stop_; ++attempt) {
        observer_.on_note(fmt::format("{}: {}; once more", text.job, answer.status().message()));
        answer = ask(text);
    }
    if (answer.ok() || stop_) return answer;
    const Status failure = answer.status();
    JobText probe = text;
    probe.rounds = 1;
    const std::string base = all.front();
    const auto with_base = [&](const std::string& name) {
        probe.job = fmt::format("{}.{}", text.job, name);
        probe.candidates = name == base ? std::vector{base} : std::vector{base, name};
        return ask(probe);
    };
    if (!with_base(base).ok()) return failure;
    std::map<std::string, std::string> culprits;
    text.candidates.clear();
    for (const std::string& name : all) {
        if (stop_) return failure;
        const Result<Answer> alone = name == base ? Result<Answer>(Answer{}) : with_base(name);
        if (alone.ok())
            text.candidates.push_back(name);
        else
            culprits[name] = alone.status().message();
    }
    if (culprits.empty() || text.candidates.size() < 2) return failure;
    text.job += ".rest";
    Result<Answer> rest = ask(text);
    if (!rest.ok()) return rest.status();
    std::vector<CandidateAnswer> merged;
    for (const std::string& name : all) {
        const auto culprit = culprits.find(name);
        if (culprit != culprits.end())
            merged.push_back({name, false, culprit->second, {}});
        else
            merged.push_back(*std::find_if(rest->candidates.begin(), rest->candidates.end(),
                                           [&](const CandidateAnswer& one) { return one.candidate == name; }));
    }
    rest->candidates = std::move(merged);
    return rest;
}

Status Workbench::append(const Answer& answer, const JobText& text) {
    const Result<std::vector<Record>> records = records_of(answer, text, context_);
    if (!records.ok()) return records.status();
    const Result<std::vector<std::string>> notes = append_records(settings_.database, records.value());
    if (!notes.ok()) return notes.status();
    for (const std::string& note : notes.value())
        observer_.on_note(note);
    return {};
}

}  // namespace octile::tuner
