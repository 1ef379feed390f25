#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/output_file.h"
#include "cli/accuracy_plan.h"
#include "cli/commands.h"
#include "cli/left_out_report.h"
#include "cli/output.h"
#include "cli/plan_network.h"
#include "cli/plan_options.h"
#include "cli/plan_output.h"
#include "inputs/messages.h"
#include "inputs/read_model.h"
#include "inputs/text_file.h"
#include "packed/packed_file.h"
#include "planner/explain.h"
#include "planner/plan_json.h"

namespace octile::cli {
namespace {

struct Arguments {
    std::vector<std::string> files;
    PlanArguments plan;
    AccuracyArguments accuracy;
    std::string format = "table";
    std::string explain;
    std::string compare;
    bool fail_on_change = false;
    std::string output;
};

// Prints what changed, a line each, and returns whether anything did. Plans correspond by their place on the command
// line.
bool report_changes(const std::vector<Plan>& before, const std::vector<Plan>& after, const std::string& old_name) {
    std::size_t changes = 0;
    const auto report = [&](const Plan& plan, std::string_view what) {
        ++changes;
        write_line(fmt::format("octile: changed: {}{}{}", after.size() > 1 ? plan.model : "",
                               after.size() > 1 ? ": " : "", what));
    };
    for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
        if (i >= before.size()) {
            report(after[i], "plan: only in the new plans");
        } else if (i >= after.size()) {
            report(before[i], "plan: only in the old plans");
        } else {
            for (const PlanDifference& difference : compare(before[i], after[i]))
                report(after[i], to_text(difference));
        }
    }
    note(fmt::format("{} difference{} from {}", changes, changes == 1 ? "" : "s", old_name));
    return changes > 0;
}

// Why one layer of one network is what it is, in words.
int run_explain(const Arguments& arguments, const Model& model, const std::vector<PlanOptions>& options) {
    std::string text;
    for (const PlanOptions& policy : options) {
        const Result<Plan> plan = make_plan(model, policy);
        if (!plan.ok())
            return fail(kExitError, fmt::format("{}: {}", display(arguments.files[0]), plan.status().message()));
        const Result<Explanation> explanation = explain(model, policy, arguments.explain);
        if (!explanation.ok()) return fail(kExitUsage, "--" + explanation.status().message());
        if (!text.empty()) text += "\n";
        text += to_text(explanation.value(), plan.value());
    }
    const Status written = write_stdout(text);
    return written.ok() ? kExitOk : fail_by(written);
}

// Policy `accuracy` joins the others of --policy all where every file has weights to measure.
void add_accuracy(const Arguments& arguments, std::vector<PlanOptions>& options) {
    if (arguments.plan.policy != kAllPolicies) return;
    const ReadOptions read = read_options(arguments.plan);
    const bool weights = std::all_of(arguments.files.begin(), arguments.files.end(),
                                     [&](const std::string& file) { return is_weights(file, read); });
    if (!weights) return;
    options.push_back(options.front());
    options.back().policy = Policy::kAccuracy;
}

int run_plan(const Arguments& arguments) {
    Result<std::vector<PlanOptions>> options = parse_plan_options(arguments.plan);
    if (!options.ok()) {
        const bool usage = options.status().code() == StatusCode::kInvalidArgument;
        return fail(usage ? kExitUsage : kExitError, options.status().message());
    }
    add_accuracy(arguments, options.value());
    if (!arguments.explain.empty() && arguments.files.size() != 1) {
        return fail(kExitUsage, fmt::format("--explain: expected one FILE, found {}", arguments.files.size()));
    }

    std::vector<Plan> before;
    if (!arguments.compare.empty()) {
        const Result<std::string> text = read_text_file(arguments.compare);
        if (!text.ok()) return fail(kExitError, text.status().message());
        Result<std::vector<Plan>> plans = plans_from_json(text.value());
        if (!plans.ok())
            return fail(kExitError, fmt::format("{}: {}", display(arguments.compare), plans.status().message()));
        before = std::move(plans).value();
    }

    const Result<AccuracySettings> settings = parse_accuracy_options(arguments.accuracy);
    if (!settings.ok()) {
        const bool usage = settings.status().code() == StatusCode::kInvalidArgument;
        return fail(usage ? kExitUsage : kExitError, settings.status().message());
    }

    // Everything is planned before anything is printed: on an error, no half of an answer is on stdout.
    std::vector<Plan> plans;
    std::vector<std::vector<std::string>> notes;
    std::string studies;
    for (const std::string& file : arguments.files) {
        if (is_packed_file(file)) {
            Result<PackedFile> packed = PackedFile::open(file);
            if (!packed.ok()) return fail(kExitError, packed.status().message());
            if (!arguments.explain.empty() || options->size() > 1)
                return fail(kExitUsage,
                            fmt::format("{}: a packed file holds one plan, which is printed as it is", display(file)));
            plans.push_back(std::move(packed->directory().plan));
            continue;
        }
        const Result<Network> network = load_network(file, arguments.plan, options.value(), settings.value());
        if (!network.ok()) {
            const bool usage = network.status().code() == StatusCode::kInvalidArgument;
            return fail(usage ? kExitUsage : kExitError, network.status().message());
        }
        for (const std::string& line : network->model.notes)
            note(line);
        if (!arguments.explain.empty()) return run_explain(arguments, network->model, network->options);
        for (const PlanOptions& policy : network->options) {
            Result<Plan> plan = plan_of(network.value(), policy, file, &notes.emplace_back());
            if (!plan.ok()) return fail(kExitError, plan.status().message());
            plans.push_back(std::move(plan).value());
        }
        if (!network->study) continue;
        if (arguments.format == "table") studies += network->study->table;
        if (arguments.format == "md") studies += network->study->markdown;
        for (const std::string& line : network->study->notes)
            note(line);
    }
    report_notes(notes);

    const bool to_stdout = arguments.output.empty() || arguments.output == "-";
    // In a table for people it is the first line.
    if (!to_stdout || (arguments.format != "table" && arguments.format != "md")) warn_left_out(plans);
    const std::string text =
        format_plans(plans, options->size(), arguments.format, to_stdout && stdout_takes_colour()) + studies;
    const Status written = to_stdout ? write_stdout(text) : write_file(arguments.output, text);
    if (!written.ok()) return fail_by(written);

    if (arguments.compare.empty()) return kExitOk;
    const bool changed = report_changes(before, plans, display(arguments.compare));
    return changed && arguments.fail_on_change ? kExitPlanChanged : kExitOk;
}

}  // namespace

void add_plan_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* command = app.add_subcommand("plan", "INT8 or FP16 for every layer, why, and what is fused with what");
    command->add_option("FILE", arguments->files, input_files_text())->required()->type_name("");
    add_plan_options(*command, arguments->plan);
    add_accuracy_options(*command, arguments->accuracy);
    command->add_option("--format", arguments->format, "How the plan is printed")
        ->check(CLI::IsMember(plan_formats()))
        ->capture_default_str();
    command
        ->add_option("--threads", arguments->plan.threads,
                     "Threads that costs are for; more than --core has count as that")
        ->type_name("N")
        ->capture_default_str();
    command
        ->add_option("--explain", arguments->explain,
                     "Say in words why this layer is INT8 or FP16, and at which M it would be the other")
        ->type_name("LAYER");
    CLI::Option* compare =
        command
            ->add_option("--compare", arguments->compare, "Stored plan (--format json): print what changed to stderr")
            ->type_name("OLD.json");
    command->add_flag("--fail-on-change", arguments->fail_on_change, "With --compare: exit with 3 if anything changed")
        ->needs(compare);
    command->add_option("-o,--output", arguments->output, "Write to a file, in one step, instead of stdout")
        ->type_name("FILE");
    command->callback([arguments, &exit_code] { exit_code = run_plan(*arguments); });
}

}  // namespace octile::cli
