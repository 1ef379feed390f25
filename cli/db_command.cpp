#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/file_name.h"
#include "base/message_text.h"
#include "base/output_file.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/database_option.h"
#include "cli/db_tables.h"
#include "cli/output.h"
#include "cli/shared_options.h"
#include "inputs/messages.h"
#include "tuner/core_names.h"
#include "tuner/database.h"
#include "tuner/kernel_versions.h"
#include "tuner/schedule_file.h"
#include "tuner/schedule_format.h"
#include "tuner/selection.h"

namespace octile::cli {
namespace {

using tuner::Choice;
using tuner::DatabaseContent;

struct Arguments {
    std::vector<std::string> files;
    std::string format = "table";
    std::string output;
    std::string core;
    int threads = 1;
    std::optional<double> margin;
    bool accept_stale = false;
};

Result<std::vector<Choice>> choices_of(const Arguments& arguments) {
    std::vector<tuner::Record> records;
    for (const std::string& file : arguments.files) {
        Result<DatabaseContent> content = read_records(file, arguments.accept_stale);
        if (!content.ok()) return content.status();
        std::move(content->records.begin(), content->records.end(), std::back_inserter(records));
    }
    return tuner::choose(records, arguments.margin);
}

int print(const Status& status, const std::string& text) {
    if (!status.ok()) return fail(kExitError, status.message());
    const Status written = write_stdout(text);
    return written.ok() ? kExitOk : fail_by(written);
}

int run_show(const Arguments& arguments) {
    const Result<std::vector<Choice>> choices = choices_of(arguments);
    return print(choices.status(), choices.ok() ? show_table(choices.value()) : "");
}

int run_best(const Arguments& arguments) {
    const Result<std::vector<Choice>> choices = choices_of(arguments);
    if (!choices.ok()) return fail(kExitError, choices.status().message());
    return print({}, arguments.format == "json" ? best_json(choices.value()) : best_table(choices.value()));
}

int run_merge(const Arguments& arguments) {
    std::vector<DatabaseContent> inputs;
    for (const std::string& file : arguments.files) {
        Result<DatabaseContent> content = read_records(file, arguments.accept_stale);
        if (!content.ok()) return fail(kExitError, content.status().message());
        inputs.push_back(std::move(content).value());
    }
    const std::string text = tuner::merged(inputs);
    if (arguments.output.empty() || arguments.output == "-") return print({}, text);
    const Status written = write_file(arguments.output, text);
    return written.ok() ? kExitOk : fail_by(written);
}

int run_diff(const Arguments& arguments) {
    std::vector<std::vector<Choice>> sides;
    for (const std::string& file : arguments.files) {
        Result<DatabaseContent> content = read_records(file, arguments.accept_stale);
        if (!content.ok()) return fail(kExitError, content.status().message());
        sides.push_back(tuner::choose(content->records, arguments.margin));
    }
    return print({}, difference_table(sides[0], sides[1]));
}

int run_validate(const Arguments& arguments) {
    std::string text;
    for (const std::string& file : arguments.files) {
        Result<std::vector<std::string>> offences = tuner::validate_database(file);
        if (!offences.ok()) return fail(kExitError, offences.status().message());
        if (const Result<DatabaseContent> content = tuner::read_database(file); content.ok()) {
            const std::string stale = tuner::stale_message(file, content->records, tuner::kernel_versions());
            if (!stale.empty() && !arguments.accept_stale) offences->push_back(stale);
        }
        for (const std::string& line : offences.value())
            text += line + "\n";
    }
    const int code = print({}, text);
    return text.empty() ? code : kExitError;
}

// Whatever the file system thinks of letters' cases.
bool is_default(std::string_view core) {
    const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
    constexpr std::string_view kDefault = "default";
    return core.size() == kDefault.size() && std::equal(core.begin(), core.end(), kDefault.begin(), same);
}

// A core's name becomes that of a file, which must be in schedules/ and none that has other uses there.
Status check_core_name(std::string_view core) {
    if (internal::is_file_name(core) && !is_default(core)) return {};
    return {StatusCode::kInvalidArgument, fmt::format("--core: expected {} for the core, and not default, found {}",
                                                      internal::kFileNameForm, internal::quote(core))};
}

// schedules/<core>.json of what was chosen, beside what the file has already; then the table of before and after.
int run_export(const Arguments& arguments) {
    if (!arguments.core.empty()) {
        if (Status status = check_core_name(arguments.core); !status.ok()) return fail_by(status);
    }
    const Result<std::vector<Choice>> all = choices_of(arguments);
    if (!all.ok()) return fail(kExitError, all.status().message());
    std::vector<Choice> choices;
    std::set<std::string> cores;
    for (const Choice& choice : all.value()) {
        const std::string name = tuner::core_name(choice.group.core);
        if (choice.group.threads != arguments.threads) continue;
        // A core given by name takes what was measured on a core that has none.
        if (!arguments.core.empty() && !name.empty() && name != arguments.core) continue;
        choices.push_back(choice);
        cores.insert(name.empty() ? choice.group.core : name);
    }
    if (choices.empty())
        return fail(kExitError,
                    fmt::format("no records of {} thread{}{}", arguments.threads, arguments.threads == 1 ? "" : "s",
                                arguments.core.empty() ? "" : " on " + internal::printable(arguments.core)));
    if (cores.size() > 1) {
        constexpr std::size_t kNamed = 5;
        const auto end = std::next(cores.begin(), static_cast<std::ptrdiff_t>(std::min(kNamed, cores.size())));
        return fail(
            kExitUsage,
            fmt::format("--core: expected one of the cores with records: {}{}", fmt::join(cores.begin(), end, ", "),
                        cores.size() > kNamed ? fmt::format(" and {} more", cores.size() - kNamed) : ""));
    }
    const std::string core = arguments.core.empty() ? *cores.begin() : arguments.core;
    if (Status status = check_core_name(core); !status.ok()) return fail_by(status);

    // Where a core was measured, what a model thinks of it does not count.
    const auto measured = [](const Choice& choice) { return choice.group.source == tuner::Source::kMeasured; };
    if (std::any_of(choices.begin(), choices.end(), measured))
        std::erase_if(choices, [&](const Choice& choice) { return !measured(choice); });
    const int code = print({}, best_table(choices));
    if (code != kExitOk) return code;
    const std::filesystem::path path =
        arguments.output.empty() ? fmt::format("schedules/{}.json", core) : arguments.output;
    if (Status status = check_output(path); !status.ok()) return fail_by(status);
    nlohmann::json before;
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) {
        Result<nlohmann::json> content = tuner::read_schedule(path);
        if (!content.ok()) return fail(kExitError, content.status().message());
        before = std::move(content).value();
    }
    const nlohmann::json schedule = tuner::with_choices(before, choices, core);
    if (const Status status = tuner::check_schedule(schedule); !status.ok())
        return fail(kExitError, fmt::format("{}: {}", display(path), status.message()));
    const Status written = write_file(path, tuner::schedule_text(schedule), WriteOver::kOldContent);
    if (!written.ok()) return fail_by(written);
    note(fmt::format("wrote {}; build with -DOCTILE_CORES={}", display(path), core));
    return kExitOk;
}

CLI::App* add(CLI::App& parent, const char* name, const char* what, std::shared_ptr<Arguments> arguments,
              std::function<int(const Arguments&)> run, int& exit_code) {
    CLI::App* command = parent.add_subcommand(name, what);
    CLI::Option* files =
        command->add_option("FILE", arguments->files, "Tuning database (tuning.jsonl)")->required()->type_name("");
    if (std::string_view(name) == "diff") files->expected(2);
    command->add_flag("--accept-stale", arguments->accept_stale, "Take records of other versions of the kernels too");
    command->callback([arguments, run, &exit_code] { exit_code = run(*arguments); });
    return command;
}

}  // namespace

void add_db_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* command =
        app.add_subcommand("db", "What `octile tune` has measured: look at it, check it, build with it");
    command->require_subcommand(1);
    add(*command, "show", "Every schedule that was measured, the fastest first", arguments, run_show, exit_code);
    CLI::App* best = add(*command, "best", "The fastest schedule for each kernel and core, and each layer's time",
                         arguments, run_best, exit_code);
    best->add_option("--format", arguments->format, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    add(*command, "merge", "All records of several databases, each once", arguments, run_merge, exit_code)
        ->add_option("-o,--output", arguments->output, "Write to a file, in one step, instead of stdout")
        ->type_name("FILE");
    CLI::App* diff = add(*command, "diff", "Where the second database chooses another schedule than the first",
                         arguments, run_diff, exit_code);
    add(*command, "validate", "Every line that is not what it should be; exit code 1 if there are any", arguments,
        run_validate, exit_code);
    CLI::App* exporting = add(*command, "export",
                              "Write schedules/<core>.json, a schedule that builds have (-DOCTILE_CORES=<core>: alone)",
                              arguments, run_export, exit_code);
    exporting
        ->add_option("--core", arguments->core,
                     "Name of the core; needed where the hardware's is not known, or several have records")
        ->type_name("NAME");
    exporting->add_option("--threads", arguments->threads, "Of the measurements to take")
        ->check(CLI::Range(1, 1 << 16))
        ->type_name("N")
        ->capture_default_str();
    exporting->add_option("-o,--output", arguments->output, "Instead of schedules/<core>.json")->type_name("FILE");
    for (CLI::App* chooser : {best, diff, exporting})
        add_margin_option(*chooser, arguments->margin);
}

}  // namespace octile::cli
