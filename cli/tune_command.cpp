#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/db_tables.h"
#include "cli/output.h"
#include "cli/tune_options.h"
#include "cli/tune_progress.h"
#include "inputs/messages.h"
#include "tuner/bundle.h"
#include "tuner/database.h"

namespace octile::cli {
namespace {

std::atomic<bool> stop_requested = false;

extern "C" void request_stop(int) {
    stop_requested = true;
}

// The first signal ends the search, and the second the process.
void catch_signals() {
    struct sigaction action = {};
    action.sa_handler = request_stop;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        ::sigaction(signal, &action, nullptr);
}

int exit_code_of(const Status& status) {
    return fail(status.code() == StatusCode::kInvalidArgument ? kExitUsage : kExitError, status.message());
}

// What the session's records say, as they are in the file.
Result<std::vector<tuner::Choice>> choices_of(const tuner::TuneSettings& settings, const std::string& session) {
    std::error_code ignored;
    if (!std::filesystem::exists(settings.database, ignored)) return std::vector<tuner::Choice>();
    Result<tuner::DatabaseContent> content = tuner::read_database(settings.database);
    if (!content.ok()) return content.status();
    std::erase_if(content->records, [&](const tuner::Record& record) { return record.session != session; });
    return tuner::choose(content->records, settings.margin);
}

int run_search(const TuneArguments& arguments, const tuner::TuneSettings& settings, ProgressForm form) {
    std::unique_ptr<tuner::Runner> runner;
    if (arguments.runner != tuner::kModelRunner) {
        Result<std::unique_ptr<tuner::Runner>> made = tuner::make_runner(arguments.runner, stop_requested);
        if (!made.ok()) return exit_code_of(made.status());
        runner = std::move(made).value();
    }
    std::unique_ptr<tuner::TuneObserver> observer = make_tune_observer(form);
    const Result<tuner::TuneResult> result = tuner::tune(settings, runner.get(), *observer, stop_requested);
    observer.reset();
    if (!result.ok()) return exit_code_of(result.status());

    const Result<std::vector<tuner::Choice>> choices = choices_of(settings, result->session);
    if (!choices.ok()) return exit_code_of(choices.status());
    const std::string text =
        form == ProgressForm::kEvents ? best_events(choices.value(), result->session) : best_table(choices.value());
    if (const Status written = write_stdout(text); !written.ok()) return fail_by(written);
    const std::string outcome =
        choices->empty() ? "nothing was measured"
                         : fmt::format("{} holds what was measured; --resume goes on", display(settings.database));
    if (stop_requested) {
        note("stopped; " + outcome);
        return kExitStopped;
    }
    if (!result->status.ok()) {
        if (!choices->empty()) note(outcome);
        return fail(kExitError, result->status.message());
    }
    if (!result->finished)
        note("the budget is used up; " + outcome);
    else if (choices->empty())
        note(outcome + ": there is no schedule to compare the default with");
    return kExitOk;
}

int run_import(const TuneArguments& arguments) {
    const std::unique_ptr<tuner::TuneObserver> observer = make_tune_observer(progress_form(arguments.events));
    const Result<tuner::ImportResult> result =
        tuner::import_results(arguments.import, arguments.database, arguments.accept_stale, *observer);
    if (!result.ok()) return fail(kExitError, result.status().message());
    const std::string appended = fmt::format("{} records appended to {}", result->records, display(arguments.database));
    if (result->refused > 0)
        return fail(kExitError,
                    fmt::format("{}: {} not add up; {}", display(arguments.import),
                                result->refused == 1 ? "1 answer does" : fmt::format("{} answers do", result->refused),
                                appended));
    observer->on_note(appended);
    return kExitOk;
}

int run_tune(const TuneArguments& arguments) {
    if (!arguments.import.empty()) return run_import(arguments);
    if (arguments.files.empty()) return fail(kExitUsage, "FILE: expected layer lists, found none");
    const Result<std::vector<tuner::TuneSettings>> all = parse_tune_options(arguments);
    if (!all.ok()) return exit_code_of(all.status());
    const bool estimate = arguments.rigor == tuner::name_of(tuner::Rigor::kEstimate);
    if (arguments.dry_run || estimate) {
        std::string text;
        for (const tuner::TuneSettings& settings : all.value()) {
            const Result<std::vector<tuner::StagePlan>> plans = tuner::plan_stages(settings);
            if (!plans.ok()) return exit_code_of(plans.status());
            text += fmt::format("{}{} on {}, as the model of core {} ranks it\n", text.empty() ? "" : "\n",
                                settings.kernel, name_of(settings.isa), settings.core.name);
            double seconds = 0;
            for (const tuner::StagePlan& plan : plans.value()) {
                text += plan_text(plan, estimate ? 10 : 3);
                seconds += plan.build_seconds + plan.measure_seconds;
            }
            if (!estimate)
                text += fmt::format("in all about {}, at most {}\n", duration_text(seconds),
                                    duration_text(settings.budget_seconds));
        }
        const Status written = write_stdout(text);
        return written.ok() ? kExitOk : fail_by(written);
    }
    catch_signals();
    const ProgressForm form = progress_form(arguments.events);
    if (!arguments.bundle.empty()) {
        if (all->size() != 1) return fail(kExitUsage, "--bundle: expected one --family");
        const std::unique_ptr<tuner::TuneObserver> observer = make_tune_observer(form);
        const Status status = tuner::make_bundle(all->front(), arguments.bundle, *observer, stop_requested);
        if (stop_requested) return fail(kExitStopped, "stopped; there is no bundle");
        return status.ok() ? kExitOk : exit_code_of(status);
    }
    for (const tuner::TuneSettings& settings : all.value()) {
        const int code = run_search(arguments, settings, form);
        if (code != kExitOk) return code;
    }
    return kExitOk;
}

}  // namespace

void add_tune_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<TuneArguments>();
    CLI::App* command =
        app.add_subcommand("tune", "Search the schedules of the kernels for the fastest, here or on a board");
    add_tune_options(*command, *arguments);
    command->callback([arguments, &exit_code] { exit_code = run_tune(*arguments); });
}

}  // namespace octile::cli
