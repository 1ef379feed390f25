#include "tuner/bundle.h"

#include <fmt/format.h>

#include <fstream>
#include <optional>
#include <set>

#include "base/file_name.h"
#include "base/limits.h"
#include "base/output_file.h"
#include "base/printable.h"
#include "inputs/messages.h"
#include "inputs/text_file.h"
#include "planner/json_reader.h"
#include "tuner/answer_records.h"
#include "tuner/database.h"
#include "tuner/kernel_versions.h"
#include "tuner/process.h"
#include "tuner/schedule_file.h"
#include "tuner/schedule_format.h"
#include "tuner/stages.h"

namespace octile::tuner {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kRounds = 24;
constexpr std::string_view kScript = R"sh(#!/bin/sh
# Measures the jobs of this folder into results.jsonl; started again, it goes on. Then, where Octile is:
#   octile tune --import results.jsonl --db tuning.jsonl
cd "$(dirname "$0")" || exit 1
[ -s results.jsonl ] || { cp manifest.json results.tmp && mv results.tmp results.jsonl; } || exit 1
exec ./octile_measure --jobs jobs.jsonl --results results.jsonl
)sh";

Status write_text(const fs::path& path, std::string_view text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    return file ? Status() : Status(StatusCode::kIoError, fmt::format("{}: cannot be written", display(path)));
}

struct Content {
    std::vector<BuildCandidate> build;
    json manifest;
    std::string jobs;
};

Content content_of(const TuneSettings& settings, const json& base, const std::string& session) {
    const LevelTraits traits = LevelTraits::of(settings.kernel, settings.isa, base);
    Content content;
    json candidates = json::object();
    for (const StageStep& step : steps_of(settings, traits)) {
        const StageSpace stage = space_of(step, settings, traits, base);
        std::vector<double> predicted;
        for (const Candidate& candidate : stage.candidates)
            predicted.push_back(candidate.predicted);
        JobText job;
        job.threads = settings.threads;
        job.rounds = kRounds;
        job.sample_ms = settings.sample_ms;
        job.cpu = settings.cpu;
        for (const std::size_t at : first_generation(predicted, search_settings(step, settings, predicted.size()))) {
            const Candidate& candidate = stage.candidates[at];
            job.candidates.push_back(candidate.name);
            if (candidates.contains(candidate.name)) continue;
            candidates[candidate.name] = {{"label", candidate.label}, {"entry", candidate.entry}};
            content.build.push_back({candidate.name, candidate.entry});
        }
        for (std::size_t layer = 0; layer < step.layers.size(); ++layer) {
            job.job = fmt::format("{}/{}.l{}", session, step.name, layer);
            job.m = step.layers[layer].m;
            job.k = step.layers[layer].k;
            job.n = step.layers[layer].n;
            job.epilogue = step.layers[layer].epilogue;
            content.jobs += to_json(job) + "\n";
        }
    }
    json jobs = json::array();
    for (std::size_t at = 0; at < content.jobs.size(); at = content.jobs.find('\n', at) + 1)
        jobs.push_back(content.jobs.substr(at, content.jobs.find('\n', at) - at));
    content.manifest = {{"octile_bundle", 1},
                        {"session", session},
                        {"kernel", settings.kernel},
                        {"isa", octile::name_of(settings.isa)},
                        {"core", to_json(settings.core)},
                        {"default", name_of_entry(base)},
                        {"candidates", candidates},
                        {"jobs", jobs}};
    return content;
}

struct Manifest {
    RecordContext context;
    std::vector<JobText> jobs;
};

Result<Manifest> manifest_from_json(std::string_view line) {
    const Result<json> document = internal::parse_json(line);
    if (!document.ok()) return document.status();
    Status status;
    internal::ObjectReader reader(document.value(), "", status, "manifest");
    reader.integer("octile_bundle", 1, 1);
    Manifest manifest;
    manifest.context.session = reader.line("session", limits::kTuningWordBytes);
    manifest.context.kernel = reader.line("kernel", limits::kTuningWordBytes);
    if (status.ok() && !kind_of_kernel(manifest.context.kernel))
        reader.fail("kernel", "gemm_s8 or gemm_f16", internal::quote(manifest.context.kernel));
    manifest.context.isa = reader.name("isa", parse_isa, "the name of an ISA level");
    manifest.context.default_name = reader.line("default", limits::kTuningWordBytes);
    const std::string core = reader.text("core");
    const std::vector<std::string> jobs = reader.strings("jobs");
    const json* candidates = reader.member("candidates");
    if (candidates && !candidates->is_object()) reader.fail("candidates", "an object", internal::found(*candidates));
    reader.finish();
    if (!status.ok()) return status;
    Result<Core> parsed = core_from_json(core);
    if (!parsed.ok()) return parse_error("core: " + parsed.status().message());
    manifest.context.core = std::move(parsed).value();
    for (auto candidate = candidates->begin(); candidate != candidates->end(); ++candidate) {
        const std::string& name = candidate.key();
        if (!internal::is_file_name(name))
            return parse_error(
                fmt::format("candidates: expected {}, found {}", internal::kFileNameForm, internal::quote(name)));
        internal::ObjectReader entry(candidate.value(), "candidates." + name, status, "candidate");
        const std::string label = entry.line("label", limits::kTuningWordBytes);
        const json* content = entry.member("entry");
        entry.finish();
        if (!status.ok()) return status;
        // Candidates are named after what they are.
        const std::string where = fmt::format("candidates.{}.entry", name);
        if (!content->is_object() || name_of_entry(*content) != name)
            return parse_error(fmt::format("{}: expected the schedule of that name", where));
        status = check_schedule_entry(*content, *kind_of_kernel(manifest.context.kernel), manifest.context.isa, where);
        if (!status.ok()) return status;
        manifest.context.entries[name] = {label, *content};
    }
    for (std::size_t at = 0; at < jobs.size(); ++at) {
        Result<JobText> job = job_from_json(jobs[at]);
        if (!job.ok()) return parse_error(fmt::format("jobs[{}]: {}", at, job.status().message()));
        if (!job->job.starts_with(manifest.context.session + "/"))
            return parse_error(fmt::format("jobs[{}].job: expected one of session {}, found {}", at,
                                           internal::quote(manifest.context.session), internal::quote(job->job)));
        for (const std::string& name : job->candidates) {
            if (!manifest.context.entries.contains(name))
                return parse_error(
                    fmt::format("jobs: candidate {} is not among the candidates", internal::quote(name)));
        }
        manifest.jobs.push_back(std::move(job).value());
    }
    return manifest;
}

// One record of a session.
std::string identity_of(const Record& record) {
    return record.job + "/" + name_of_entry(record.params);
}

// Those of the session that the database holds. An import that was ended may have left some of a job's.
Result<std::set<std::string>> known_records(const fs::path& database, const std::string& session, bool accept_stale) {
    std::set<std::string> known;
    std::error_code ignored;
    if (!fs::exists(database, ignored)) return known;
    const Result<DatabaseContent> content = read_database(database);
    if (!content.ok()) return content.status();
    const std::string stale = stale_message(database, content->records, kernel_versions());
    if (!stale.empty() && !accept_stale) return Status(StatusCode::kInvalidArgument, stale);
    for (const Record& record : content->records) {
        if (record.session == session) known.insert(identity_of(record));
    }
    return known;
}

}  // namespace

Status make_bundle(const TuneSettings& settings, const fs::path& path, TuneObserver& observer,
                   const std::atomic<bool>& stop) {
    if (Status status = check_output(path); !status.ok()) return status;
    const Result<json> base = schedule_entry(settings.source / "schedules", "", settings.isa, settings.kernel);
    if (!base.ok()) return base.status();
    const std::string session = new_session("bundle-" + name_of_entry(base.value()));
    Content content = content_of(settings, base.value(), session);
    observer.on_build(content.build.size());
    BuildSettings build{.source = settings.source,
                        .folder = settings.build,
                        .isa = settings.isa,
                        .kernel = settings.kernel,
                        .rows = {}};
    for (const TunedLayer& layer : settings.layers)
        build.rows.push_back(layer.m);
    Builder builder(build, stop);
    const Result<std::map<std::string, std::string>> reasons = builder.build(content.build, settings.budget_seconds);
    if (!reasons.ok()) return reasons.status();
    // Jobs without those that could not be built.
    std::string jobs;
    json kept = json::array();
    for (const json& line : content.manifest["jobs"]) {
        JobText job = job_from_json(line.get<std::string>()).value();
        std::erase_if(job.candidates, [&](const std::string& name) { return reasons->contains(name); });
        jobs += to_json(job) + "\n";
        kept.push_back(to_json(job));
    }
    content.manifest["jobs"] = kept;
    for (const auto& [name, reason] : reasons.value())
        observer.on_dropped(content.manifest["candidates"][name]["label"], reason);

    const fs::path folder = settings.build / "octile-bundle";
    std::error_code error;
    fs::remove_all(folder, error);
    fs::create_directories(folder, error);
    for (const auto& [name, text] :
         {std::pair<const char*, std::string>("manifest.json", content.manifest.dump() + "\n"),
          {"jobs.jsonl", jobs},
          {"run.sh", std::string(kScript)}}) {
        if (Status status = write_text(folder / name, text); !status.ok()) return status;
    }
    fs::copy_file(builder.program(), folder / "octile_measure", error);
    if (error) return Status(StatusCode::kIoError, fmt::format("{}: {}", display(builder.program()), error.message()));
    constexpr std::size_t kMostBytes = std::size_t{1} << 30;
    const Result<ProcessResult> packed =
        run_process({"tar", "-cf", "-", "-C", settings.build.native(), "octile-bundle"},
                    {.stop = &stop, .most_output = kMostBytes});
    if (!packed.ok()) return packed.status();
    if (!packed->ok()) return Status(StatusCode::kIoError, "tar " + packed->what());
    return write_file(path, packed->out);
}

Result<ImportResult> import_results(const fs::path& results, const fs::path& database, bool accept_stale,
                                    TuneObserver& observer) {
    const Result<std::string> text = read_text_file(results, limits::kTuningBytes);
    if (!text.ok()) return text.status();
    const std::size_t end_of_manifest = std::min(text->find('\n'), text->size());
    const Result<Manifest> manifest = manifest_from_json(std::string_view(text.value()).substr(0, end_of_manifest));
    if (!manifest.ok()) return parse_error(fmt::format("{}:1: {}", display(results), manifest.status().message()));

    const Result<std::set<std::string>> known = known_records(database, manifest->context.session, accept_stale);
    if (!known.ok()) return known.status();
    const AnswerIndex answers(text.value());
    ImportResult result;
    std::vector<Record> fresh;
    for (const JobText& job : manifest->jobs) {
        const std::string_view found = answers.find(job);
        if (found.empty()) {
            observer.on_note(fmt::format("{}: no whole answer to {}", display(results), job.job));
            continue;
        }
        const Result<Answer> answer = answer_from_text(found, job);
        if (!answer.ok()) {
            observer.on_note(fmt::format("{}: {}: {}; left out", display(results), job.job, answer.status().message()));
            ++result.refused;
            continue;
        }
        // What is wrong here is so with all that this program says.
        const Status level = check_level(answer.value(), manifest->context.kernel, manifest->context.isa);
        Result<std::vector<Record>> records =
            level.ok() ? records_of(answer.value(), job, manifest->context) : Result<std::vector<Record>>(level);
        if (!records.ok())
            return Status(records.status().code(),
                          fmt::format("{}: {}: {}", display(results), job.job, records.status().message()));
        for (Record& record : records.value()) {
            if (!known->contains(identity_of(record))) fresh.push_back(std::move(record));
        }
    }
    result.records = fresh.size();
    if (fresh.empty()) return result;
    const Result<std::vector<std::string>> notes = append_records(database, fresh);
    if (!notes.ok()) return notes.status();
    for (const std::string& note : notes.value())
        observer.on_note(note);
    return result;
}

}  // namespace octile::tuner
