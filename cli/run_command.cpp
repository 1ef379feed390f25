#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json.h"
#include "cli/accuracy_plan.h"
#include "cli/commands.h"
#include "cli/layer_run.h"
#include "cli/left_out_report.h"
#include "cli/output.h"
#include "cli/packed_run.h"
#include "cli/plan_options.h"
#include "cli/progress.h"
#include "cli/shared_options.h"
#include "cli/table.h"
#include "inputs/checkpoint_network.h"
#include "inputs/linear_tensors.h"
#include "inputs/messages.h"
#include "inputs/read_model.h"
#include "octile/packed_model.h"
#include "octile/parallel.h"
#include "packed/packed_file.h"

namespace octile::cli {
namespace {

// Rows of each layer that are checked unless --verify asks for all: enough to see every kernel path, few enough for a
// large network.
constexpr std::int64_t kSampledRows = 16;

struct Arguments {
    std::vector<std::string> files;
    PlanArguments plan;
    AccuracyArguments accuracy;
    bool verify_all = false;
    int threads = 0;
    std::string format = "table";
};

// A network and, from a checkpoint, its parameters by layer name.
struct Network {
    Model model;
    std::optional<Checkpoint> weights;
    std::map<std::string, LayerTensors, std::less<>> tensors;
    std::optional<AccuracyStudy> study;
};

Result<Network> load(const std::filesystem::path& path, const PlanArguments& arguments) {
    Network network;
    const ReadOptions options = read_options(arguments);
    Result<std::optional<Checkpoint>> weights = open_weights(path, options);
    if (!weights.ok()) return weights.status();
    network.weights = std::move(weights).value();
    if (!network.weights) {
        Result<Model> model = read_model(path, options);
        if (!model.ok()) return model.status();
        network.model = std::move(model).value();
    } else {
        Result<CheckpointNetwork> found = read_network(*network.weights, options);
        if (!found.ok()) return found.status();
        network.model = std::move(found->model);
        for (const LinearTensor& tensor : found->tensors.layers)
            network.tensors[tensor.layer.name] = {tensor.weight, tensor.bias, tensor.input};
        for (const auto& [name, owner] : found->tensors.shared)
            if (network.tensors.contains(owner)) network.tensors[name] = network.tensors.at(owner);
    }
    if (Status status = check_assumptions(arguments, network.model, path.string()); !status.ok()) return status;
    return network;
}

struct PlannedRun {
    const PlannedLayer* planned;
    LayerRun run;
};

struct NetworkRun {
    Plan plan;
    std::vector<PlannedRun> layers;  // the linears
    bool real_weights = false;
    bool packed = false;  // from a packed file: the weights as quantized are all there is
};

double operations(const Layer& layer) {
    return 2.0 * static_cast<double>(layer.m) * static_cast<double>(layer.k) * static_cast<double>(layer.n);
}

Status of_layer(const Layer& layer, const Status& status) {
    return {status.code(), fmt::format("{}: {}", layer.name, status.message())};
}

// Weights that came as int8 are taken as they are, and so are the scales of inputs that are fixed.
std::span<const float> smoothing_of(const Network& network, const PlannedLayer& planned, const LayerTensors& tensors) {
    const bool levels = tensors.weight.is_int8() || tensors.input.scaling != InputScaling::kDynamic;
    if (!network.study || !is_quantized(planned.precision) || levels) return {};
    const auto found = network.study->smoothing.find(planned.layer.name);
    return found == network.study->smoothing.end() ? std::span<const float>() : std::span<const float>(found->second);
}

// What a file holds is no argument of the command line.
Status of_file(const std::string& file, const Status& status) {
    const bool argument = status.code() == StatusCode::kInvalidArgument;
    return {argument ? StatusCode::kParseError : status.code(), fmt::format("{}: {}", display(file), status.message())};
}

Result<NetworkRun> run_network(const Network& network, Plan plan, IsaSet isas, bool verify_all) {
    NetworkRun result{.plan = std::move(plan), .layers = {}, .real_weights = network.weights.has_value()};
    double total = 0, done = 0;
    for (const PlannedLayer& planned : result.plan.layers) {
        if (planned.layer.op != Op::kLinear) continue;
        if (Status status = check_memory(planned.layer); !status.ok()) return of_layer(planned.layer, status);
        total += operations(planned.layer);
    }
    Progress progress("running", total);
    for (const PlannedLayer& planned : result.plan.layers) {
        if (planned.layer.op != Op::kLinear) continue;
        progress.update(done, planned.layer.name);
        const auto found = network.tensors.find(planned.layer.name);
        LayerTensors tensors = found == network.tensors.end() ? LayerTensors{} : found->second;
        tensors.smoothing = smoothing_of(network, planned, tensors);
        Result<LayerRun> run = run_layer(planned, tensors, isas, verify_all ? planned.layer.m : kSampledRows);
        if (!run.ok()) return of_layer(planned.layer, run.status());
        result.layers.push_back({&planned, std::move(run).value()});
        done += operations(planned.layer);
    }
    return result;
}

std::string time_text(double seconds) {
    if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
    if (seconds < 1) return fmt::format("{:.2f} ms", seconds * 1e3);
    return fmt::format("{:.2f} s", seconds);
}

std::string megabytes(std::size_t bytes) {
    return fmt::format("{:.1f} MB", static_cast<double>(bytes) * 1e-6);
}

Result<NetworkRun> run_file(const std::string& file, const Arguments& arguments, PlanOptions options,
                            const AccuracySettings* settings, IsaSet isas, std::vector<std::string>& notes) {
    Result<Network> network = load(file, arguments.plan);
    if (!network.ok()) return network.status();
    if (settings) {
        Result<AccuracyStudy> study = study_network(file, read_options(arguments.plan), options, *settings);
        if (!study.ok()) return study.status();
        options.errors = errors_of(network->model, study.value());
        network->study = std::move(study).value();
    }
    for (const std::string& line : network->model.notes)
        note(line);
    Result<Plan> plan = make_plan(network->model, options, &notes);
    if (!plan.ok()) return of_file(file, plan.status());
    Result<NetworkRun> run = run_network(network.value(), std::move(plan).value(), isas, arguments.verify_all);
    return run.ok() ? std::move(run) : of_file(file, run.status());
}

// The linears of a packed file, as they lie there, by the plan that it holds.
Result<NetworkRun> run_packed(const std::string& file, const Arguments& arguments, IsaSet isas) {
    std::vector<std::string> notes;
    const Result<PackedModel> model = PackedModel::open(file, isas, &notes);
    if (!model.ok()) return model.status();
    for (const std::string& line : notes)
        note(line);
    NetworkRun result{.plan = model->plan(), .layers = {}, .real_weights = true, .packed = true};
    Progress progress("running", static_cast<double>(model->parameters()->linears().size()));
    for (PlannedLayer& planned : result.plan.layers) {
        if (arguments.plan.tokens) planned.layer.m = *arguments.plan.tokens;
        const Linear* linear =
            planned.layer.op == Op::kLinear ? model->parameters()->linear(planned.layer.name) : nullptr;
        if (!linear) continue;  // a norm, or a gate, which is part of its up projection
        progress.update(static_cast<double>(result.layers.size()), planned.layer.name);
        if (Status status = check_memory(planned.layer); !status.ok())
            return of_file(file, of_layer(planned.layer, status));
        Result<LayerRun> run =
            run_packed_layer(*linear, planned.layer, arguments.verify_all ? planned.layer.m : kSampledRows);
        if (!run.ok()) return of_file(file, of_layer(planned.layer, run.status()));
        result.layers.push_back({&planned, std::move(run).value()});
    }
    return result;
}

struct Totals {
    double seconds = 0, operations = 0;
    std::size_t packed_bytes = 0, source_bytes = 0;
    std::size_t mismatches = 0;
};

// Each layer counts as often as the network holds it.
Totals totals_of(const NetworkRun& run) {
    Totals totals;
    for (const auto& [planned, layer] : run.layers) {
        const double count = static_cast<double>(planned->layer.count);
        totals.seconds += count * layer.seconds;
        totals.operations += count * operations(planned->layer);
        totals.packed_bytes += static_cast<std::size_t>(planned->layer.count) * layer.packed_bytes;
        totals.source_bytes += static_cast<std::size_t>(planned->layer.count) * layer.source_bytes;
        totals.mismatches += layer.mismatch.has_value();
    }
    return totals;
}

std::string table_text(const NetworkRun& run, bool verify_all, bool colour) {
    Table table({{"layer"},
                 {"M", Align::kRight},
                 {"K", Align::kRight},
                 {"N", Align::kRight},
                 {"count", Align::kRight},
                 {"precision"},
                 {"reason"},
                 {"kernel"},
                 {"time", Align::kRight},
                 {"GOPS", Align::kRight},
                 {"SQNR", Align::kRight},
                 {"check"}});
    for (const auto& [planned, layer] : run.layers) {
        const Colour precision = is_quantized(planned->precision) ? Colour::kGreen : Colour::kYellow;
        table.add_row({{planned->layer.name},
                       {fmt::format("{}", planned->layer.m)},
                       {fmt::format("{}", planned->layer.k)},
                       {fmt::format("{}", planned->layer.n)},
                       {fmt::format("{}", planned->layer.count)},
                       {std::string(name_of(planned->precision)), precision},
                       {std::string(name_of(planned->reason))},
                       {layer.kernel},
                       {time_text(layer.seconds)},
                       {fmt::format("{:.1f}", operations(planned->layer) / layer.seconds * 1e-9)},
                       {fmt::format("{:.1f} dB", layer.sqnr_db)},
                       {layer.mismatch ? "FAILED" : "ok"}});
    }
    const Totals totals = totals_of(run);
    const PlanSummary summary = summarize(run.plan);
    std::string text = fmt::format("{}: {}, {} thread{}\n{}", run.plan.model,
                                   run.packed         ? "a packed file's weights, random activations"
                                   : run.real_weights ? "the checkpoint's weights, random activations"
                                                      : "random weights and activations",
                                   threads(), threads() == 1 ? "" : "s", table.text(colour));
    text += to_text(summary) + "\n";
    if (summary.not_linear > 0)
        text +=
            fmt::format("{} layernorms and activations stay in floating point and are not run\n", summary.not_linear);
    text += fmt::format("linears together: {}, {:.1f} GOPS; {}packed {}\n", time_text(totals.seconds),
                        totals.operations / totals.seconds * 1e-9,
                        run.packed ? "" : fmt::format("weights {}, ", megabytes(totals.source_bytes)),
                        megabytes(totals.packed_bytes));
    if (run.packed) text += "SQNR is that of the rows' rounding alone: against the file's own weights\n";
    text += fmt::format(
        "checked in double precision: {} of each layer, {} of {} layers within the bound of their arithmetic\n",
        verify_all ? "every row" : fmt::format("up to {} rows", kSampledRows), run.layers.size() - totals.mismatches,
        run.layers.size());
    return text + left_out_summary(run.plan, false);
}

nlohmann::ordered_json json_of(const NetworkRun& run) {
    nlohmann::ordered_json document;
    document["model"] = run.plan.model;
    document["real_weights"] = run.real_weights;
    document["packed"] = run.packed;
    document["threads"] = threads();
    for (const auto& [planned, layer] : run.layers) {
        document["layers"].push_back({{"name", planned->layer.name},
                                      {"m", planned->layer.m},
                                      {"k", planned->layer.k},
                                      {"n", planned->layer.n},
                                      {"count", planned->layer.count},
                                      {"precision", name_of(planned->precision)},
                                      {"reason", name_of(planned->reason)},
                                      {"kernel", layer.kernel},
                                      {"us", layer.seconds * 1e6},
                                      {"gops", operations(planned->layer) / layer.seconds * 1e-9},
                                      {"sqnr_db", layer.sqnr_db},
                                      {"checked_rows", layer.checked_rows},
                                      {"verified", !layer.mismatch.has_value()}});
    }
    const Totals totals = totals_of(run);
    document["total"] = {{"us", totals.seconds * 1e6},
                         {"gops", totals.operations / totals.seconds * 1e-9},
                         {"source_bytes", totals.source_bytes},
                         {"packed_bytes", totals.packed_bytes}};
    add_left_out(document, run.plan);
    return document;
}

int run_run(const Arguments& arguments, const CLI::App& command) {
    set_threads(arguments.threads);
    PlanArguments plan_arguments = arguments.plan;
    plan_arguments.threads = threads();
    if (plan_arguments.policy == kAllPolicies) {
        return fail(kExitUsage, "--policy: expected one policy to run, found \"all\"");
    }
    if (plan_arguments.core.empty() && plan_arguments.policy == name_of(Policy::kCost)) plan_arguments.core = "host";
    const Result<std::vector<PlanOptions>> parsed = parse_plan_options(plan_arguments);
    if (!parsed.ok()) return fail_by(parsed.status());
    const Result<AccuracySettings> settings = parse_accuracy_options(arguments.accuracy);
    if (!settings.ok()) return fail_by(settings.status());
    PlanOptions options = parsed->front();
    const bool study = needs_study(command, arguments.accuracy, options);
    const Result<IsaSet> isas = usable_isas();
    if (!isas.ok()) return fail(kExitError, isas.status().message());

    std::string text, warnings;
    nlohmann::ordered_json documents = nlohmann::ordered_json::array();
    std::vector<std::vector<std::string>> notes;
    bool verified = true;
    for (const std::string& file : arguments.files) {
        const Result<NetworkRun> run = [&] {
            return is_packed_file(file) ? run_packed(file, arguments, isas.value())
                                        : run_file(file, arguments, options, study ? &settings.value() : nullptr,
                                                   isas.value(), notes.emplace_back());
        }();
        if (!run.ok()) return fail_by(run.status());
        for (const auto& [planned, layer] : run->layers) {
            if (!layer.mismatch) continue;
            verified = false;
            fail(kExitNotVerified,
                 fmt::format("{}: {}: {}: {}", display(file), planned->layer.name, layer.kernel, *layer.mismatch));
        }
        if (arguments.format == "json") {
            warn_left_out(std::span(&run->plan, 1));
            documents.push_back(json_of(run.value()));
        } else {
            if (!text.empty()) text += '\n';
            warnings += left_out_warnings(std::span(&run->plan, 1));
            text += table_text(run.value(), arguments.verify_all, stdout_takes_colour());
        }
    }
    report_notes(notes);
    if (arguments.format == "json") text = internal::json_text(documents.size() == 1 ? documents[0] : documents);
    const Status written = write_stdout(warnings + text);
    if (!written.ok()) return fail_by(written);
    return verified ? kExitOk : kExitNotVerified;
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* command =
        app.add_subcommand("run", "Run every linear of a network through its planned kernel, time it and check it");
    command->add_option("FILE", arguments->files, input_files_text())->required()->type_name("");
    add_plan_options(*command, arguments->plan);
    add_accuracy_options(*command, arguments->accuracy);
    command->add_flag("--verify", arguments->verify_all,
                      fmt::format("Check every row, not up to {} of each layer", kSampledRows));
    add_threads_option(*command, arguments->threads);
    add_format_option(*command, arguments->format);
    command->callback([arguments, &exit_code, command] { exit_code = run_run(*arguments, *command); });
}

}  // namespace octile::cli
