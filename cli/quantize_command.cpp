#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/output_file.h"
#include "cli/accuracy_plan.h"
#include "cli/commands.h"
#include "cli/isa_option.h"
#include "cli/left_out_report.h"
#include "cli/output.h"
#include "cli/plan_options.h"
#include "cli/progress.h"
#include "cli/shared_linears.h"
#include "cli/shared_options.h"
#include "cli/table.h"
#include "inputs/checkpoint_network.h"
#include "inputs/foreign_files.h"
#include "inputs/messages.h"
#include "octile/parallel.h"
#include "quantize/graph_of.h"
#include "quantize/quantize.h"

namespace octile::cli {
namespace {

namespace fs = std::filesystem;

// M of the plan where --tokens does not say it: policy `cost` weighs it, the packed weights do not depend on it.
constexpr std::int64_t kDefaultTokens = 128;

struct Arguments {
    std::string model, output;
    PlanArguments plan;
    AccuracyArguments accuracy;
    std::vector<std::string> isas;
    int threads = 0;
    std::string format = "table";
};

struct Done {
    Plan plan;
    QuantizeReport report;
    IsaSet levels;
    double seconds = 0;
};

std::string megabytes(std::uint64_t bytes) {
    return fmt::format("{:.1f} MB", static_cast<double>(bytes) * 1e-6);
}

double megabytes_per_second(const Done& done) {
    return static_cast<double>(done.report.source_bytes) * 1e-6 / done.seconds;
}

// Why each linear is what it is. Octile leaves none for its alignment or its bias; others do, and count them.
std::vector<std::pair<std::string, std::int64_t>> counts_of(const PlanSummary& summary) {
    return {{"replaced by INT8", summary.int8},
            {"replaced by INT4", summary.int4},
            {"left for alignment", 0},
            {"left for bias", 0},
            {"left by explicit skip", summary.left_by_skip},
            {"left by ratio", summary.left_by_ratio},
            {"left by cost", summary.left_by_cost},
            {"left by accuracy", summary.left_by_accuracy},
            {"left by --force", summary.left_by_force},
            {"left for want of a kernel", summary.left_no_kernel}};
}

// What is wrong with one expert or block is wrong with all.
std::string first_of(const std::vector<std::string>& texts) {
    constexpr std::size_t kMost = 3;
    const std::span shown = std::span(texts).first(std::min(texts.size(), kMost));
    const std::size_t more = texts.size() - shown.size();
    return fmt::format("{}{}", fmt::join(shown, "; "), more > 0 ? fmt::format("; and {} more", more) : "");
}

// What of the rows nobody said, each once, in the order of the rows.
std::vector<std::string> assumptions_of(const Plan& plan) {
    std::vector<std::string> all;
    std::set<std::string_view> known;
    for (const PlannedLayer& planned : plan.layers)
        for (const std::string& assumption : planned.layer.assumptions)
            if (known.insert(assumption).second) all.push_back(assumption);
    return all;
}

// What is left of the values that a file's own few bits stand for.
Table requantized_table(const QuantizeReport& report) {
    Table table({{"weights that came quantized"}, {"as"}, {"packed"}, {"SQNR", Align::kRight}});
    for (const RequantizedLinear& linear : report.requantized) {
        table.add_row({{linear.name},
                       {linear.stored},
                       {std::string(name_of(linear.precision))},
                       {std::isinf(linear.sqnr_db) ? "exact" : fmt::format("{:.1f} dB", linear.sqnr_db)}});
    }
    return table;
}

std::string table_text(const Done& done, const std::string& output, bool colour) {
    const QuantizeReport& report = done.report;
    const PlanSummary summary = summarize(done.plan);
    std::string text = fmt::format("{}: {} linear{}, policy {}\n", done.plan.model, summary.linears,
                                   summary.linears == 1 ? "" : "s", name_of(done.plan.policy));
    Table counts({{"linears"}, {"", Align::kRight}});
    for (const auto& [what, count] : counts_of(summary))
        counts.add_row({{what}, {fmt::format("{}", count)}});
    text += counts.text(colour);
    if (report.prequantized > 0)
        text += fmt::format("{} came as int8 and were taken as they are\n", report.prequantized);
    if (report.smoothed > 0) text += fmt::format("{} are smoothed (SmoothQuant)\n", report.smoothed);
    if (const std::vector<std::string> assumed = assumptions_of(done.plan); !assumed.empty())
        text += fmt::format("assumed: {}\n", first_of(assumed));
    if (report.gated_pairs > 0)
        text += fmt::format("{} pairs of gate and up projection are packed together\n", report.gated_pairs);
    if (!report.requantized.empty()) text += "\n" + requantized_table(report).text(colour);
    Table sizes({{"sizes"}, {"before", Align::kRight}, {"after", Align::kRight}, {"", Align::kRight}});
    const auto add_size = [&](const char* what, std::uint64_t before, std::uint64_t after) {
        const double share = before == 0 ? 100 : 100 * static_cast<double>(after) / static_cast<double>(before);
        sizes.add_row({{what}, {megabytes(before)}, {megabytes(after)}, {fmt::format("{:.0f} %", share)}});
    };
    add_size("linears", report.source_linear_bytes, report.linear_bytes);
    add_size("other tensors", report.source_tensor_bytes, report.tensor_bytes);
    add_size("file", report.source_bytes, report.file_bytes);
    text += "\n" + sizes.text(colour);
    text += fmt::format("\n{}: for {}; {:.2f} s, {:.0f} MB/s, {} of memory at most\n", output, to_string(done.levels),
                        done.seconds, megabytes_per_second(done), megabytes(peak_memory()));
    return left_out_warnings(std::span(&done.plan, 1)) + text + left_out_summary(done.plan, false);
}

nlohmann::ordered_json json_of(const Done& done, const std::string& output) {
    const QuantizeReport& report = done.report;
    const PlanSummary summary = summarize(done.plan);
    nlohmann::ordered_json document = {{"model", done.plan.model},
                                       {"file", output},
                                       {"policy", name_of(done.plan.policy)},
                                       {"levels", to_string(done.levels)},
                                       {"linears", summary.linears},
                                       {"replaced", summary.int8},
                                       {"replaced_by_int4", summary.int4},
                                       {"left_for_alignment", 0},
                                       {"left_for_bias", 0},
                                       {"left_by_skip", summary.left_by_skip},
                                       {"left_by_ratio", summary.left_by_ratio},
                                       {"left_by_cost", summary.left_by_cost},
                                       {"left_by_accuracy", summary.left_by_accuracy},
                                       {"left_by_force", summary.left_by_force},
                                       {"left_no_kernel", summary.left_no_kernel},
                                       {"prequantized", report.prequantized},
                                       {"smoothed", report.smoothed},
                                       {"gated_pairs", report.gated_pairs},
                                       {"assumed", assumptions_of(done.plan)},
                                       {"tensors", report.tensors},
                                       {"source_bytes", report.source_bytes},
                                       {"source_linear_bytes", report.source_linear_bytes},
                                       {"linear_bytes", report.linear_bytes},
                                       {"tensor_bytes", report.tensor_bytes},
                                       {"file_bytes", report.file_bytes},
                                       {"seconds", done.seconds},
                                       {"peak_memory_bytes", peak_memory()}};
    document["requantized"] = nlohmann::ordered_json::array();
    for (const RequantizedLinear& linear : report.requantized) {
        document["requantized"].push_back({{"name", linear.name},
                                           {"stored", linear.stored},
                                           {"precision", name_of(linear.precision)},
                                           {"sqnr_db", linear.sqnr_db}});  // null where it is the same
    }
    add_left_out(document, done.plan);
    return document;
}

// The likeliest mistake, before anything is read.
Status check_other_file(const fs::path& model, const fs::path& output) {
    std::error_code ignored;
    if (!fs::equivalent(model, output, ignored)) return {};
    return {StatusCode::kInvalidArgument,
            fmt::format("-o: expected another file than the model, found {}", display(output))};
}

Result<Done> quantize(const Arguments& arguments, const CLI::App& command) {
    PlanArguments plan_arguments = arguments.plan;
    plan_arguments.threads = threads();
    if (plan_arguments.policy == kAllPolicies)
        return Status(StatusCode::kInvalidArgument, "--policy: expected one policy to quantize by, found \"all\"");
    if (plan_arguments.core.empty() && plan_arguments.policy == name_of(Policy::kCost)) plan_arguments.core = "host";
    const Result<std::vector<PlanOptions>> parsed = parse_plan_options(plan_arguments);
    if (!parsed.ok()) return parsed.status();
    const Result<AccuracySettings> settings = parse_accuracy_options(arguments.accuracy);
    if (!settings.ok()) return settings.status();
    const Result<IsaSet> isas = usable_isas();
    if (!isas.ok()) return Status(StatusCode::kUnsupported, isas.status().message());
    const Result<IsaSet> levels = parse_isa_option(arguments.isas, isas.value());
    if (!levels.ok()) return levels.status();
    if (Status status = check_other_file(arguments.model, arguments.output); !status.ok()) return status;

    const auto start = std::chrono::steady_clock::now();
    ReadOptions read = read_options(arguments.plan);
    read.tokens = arguments.plan.tokens.value_or(kDefaultTokens);
    const Result<std::optional<Checkpoint>> weights = open_weights(arguments.model, read);
    if (!weights.ok()) return weights.status();
    if (!weights.value())
        return Status(
            StatusCode::kParseError,
            fmt::format("{}: expected weights (safetensors or GGUF), found another description of a network{}",
                        display(arguments.model), foreign_folder(arguments.model)));
    if (Status status = check_output(arguments.output, OutputKind::kFile); !status.ok()) return status;
    const Checkpoint& checkpoint = *weights.value();
    Result<CheckpointNetwork> network = read_network(checkpoint, read);
    if (!network.ok()) return network.status();
    if (Status status = check_assumptions(arguments.plan, network->model, arguments.model); !status.ok()) return status;

    Done done;
    PlanOptions options = parsed->front();
    QuantizeOptions how;
    if (needs_study(command, arguments.accuracy, options)) {
        Result<AccuracyStudy> study = study_accuracy(checkpoint, network->tensors, options, settings.value());
        if (!study.ok()) return study.status();
        options.errors = errors_of(network->model, study.value());
        how.smoothing = std::move(study->smoothing);
        for (const std::string& line : study->notes)
            note(line);
    }
    for (const std::string& line : network->model.notes)
        note(line);
    if (!network->obstacles.empty())
        note(fmt::format("{}; the file will hold layers and no network", first_of(network->obstacles)));
    if (network->graph) {
        how.graph = to_json(*network->graph);
        if (Status status = add_linears(*network->graph, checkpoint, network->tensors, how.keep); !status.ok())
            return Status(status.code(), fmt::format("{}: {}", display(arguments.model), status.message()));
    }
    std::vector<std::string> notes;
    Result<Plan> plan = make_plan_of_shared(network->model, options, network->tensors.shared, &notes);
    if (!plan.ok())
        return Status(StatusCode::kParseError,
                      fmt::format("{}: {}", display(arguments.model), plan.status().message()));
    done.plan = std::move(plan).value();
    for (const std::string& line : notes)
        note(line);

    // Once more: what describes the network has been read since.
    if (Status status = check_output(arguments.output, OutputKind::kFile); !status.ok()) return status;
    how.isas = isas.value();
    how.levels = done.levels = levels.value();
    how.producer = "octile " OCTILE_VERSION;
    Progress progress("quantizing", 1);
    how.progress = [&](double share, std::string_view tensor) { progress.update(share, tensor); };
    Result<QuantizeReport> report = quantize_checkpoint(checkpoint, network->tensors, done.plan, how, arguments.output);
    if (!report.ok()) {
        // What the disk refused names the file that was to be written, everything else a layer of the model.
        if (report.status().code() == StatusCode::kIoError) return report.status();
        return Status(StatusCode::kParseError,
                      fmt::format("{}: {}", display(arguments.model), report.status().message()));
    }
    done.report = report.value();
    done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return done;
}

int run_quantize(const Arguments& arguments, const CLI::App& command) {
    set_threads(arguments.threads);
    const Result<Done> done = quantize(arguments, command);
    if (!done.ok()) return fail_by(done.status());
    const std::string output = display(arguments.output);
    if (arguments.format == "json") warn_left_out(std::span(&done->plan, 1));
    const Status written =
        write_stdout(arguments.format == "json" ? internal::json_text(json_of(done.value(), output))
                                                : table_text(done.value(), output, stdout_takes_colour()));
    return written.ok() ? kExitOk : fail_by(written);
}

}  // namespace

void add_quantize_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* command = app.add_subcommand(
        "quantize", "Plan a checkpoint, quantize and pack its weights into one file that is mapped, not read");
    command
        ->add_option("MODEL", arguments->model,
                     "Weights: safetensors, model.safetensors.index.json, GGUF, or their folder")
        ->required()
        ->type_name("");
    command->add_option("-o,--output", arguments->output, "The packed file; replaced in one step")
        ->required()
        ->type_name("FILE.octile");
    add_plan_options(*command, arguments->plan);
    add_accuracy_options(*command, arguments->accuracy);
    command
        ->add_option(
            "--isa", arguments->isas,
            fmt::format("CPUs that weights are packed for: host, all, or some of {}; repeatable", all_isa_names()))
        ->allow_extra_args(false)
        ->type_name("LEVEL,...");
    add_threads_option(*command, arguments->threads);
    add_format_option(*command, arguments->format);
    command->callback([arguments, &exit_code, command] { exit_code = run_quantize(*arguments, *command); });
}

}  // namespace octile::cli
