#include "cli/plan_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/printable.h"
#include "cli/core_option.h"
#include "cli/database_option.h"
#include "cli/output.h"
#include "inputs/messages.h"
#include "runtime/core_identity.h"
#include "tuner/core_names.h"
#include "tuner/selection.h"

namespace octile::cli {
namespace {

Result<Force> parse_force(const std::string& text) {
    const std::size_t equals = text.rfind('=');
    const auto precision =
        equals == std::string::npos ? std::nullopt : parse_precision(std::string_view(text).substr(equals + 1));
    if (!precision) {
        return Status(
            StatusCode::kInvalidArgument,
            fmt::format("--force: expected REGEX=int8, REGEX=fp16 or REGEX=int4, found {}", internal::quote(text)));
    }
    return Force{text.substr(0, equals), *precision};
}

// Whether records of a core are those of the planner's: of this machine for "host".
bool is_core(std::string_view identity, std::string_view core) {
    return core == "host" ? identity == core_identity() : tuner::core_name(identity) == core;
}

// What --dim says, "NAME=N" each. A name may have "=" in it.
std::map<std::string, std::int64_t> parse_dims(const std::vector<std::string>& texts) {
    std::map<std::string, std::int64_t> dims;
    for (const std::string& text : texts) {
        const std::size_t equals = text.rfind('=');
        const std::string number = equals == std::string::npos ? "" : text.substr(equals + 1);
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
        if (equals == 0 || number.empty() || error != std::errc() || end != number.data() + number.size() ||
            value < 1 || value > kMaxExtent) {
            throw CLI::ValidationError("--dim", fmt::format("expected NAME=N, N an integer from 1 to {}, found {}",
                                                            kMaxExtent, internal::quote(text)));
        }
        if (!dims.emplace(text.substr(0, equals), value).second) {
            throw CLI::ValidationError("--dim", fmt::format("expected each name once, found {} again",
                                                            internal::quote(text.substr(0, equals))));
        }
    }
    return dims;
}

}  // namespace

ReadOptions read_options(const PlanArguments& arguments) {
    return {.tokens = arguments.tokens,
            .skip = {},
            .format = parse_input_format(arguments.from),
            .may_skip = arguments.skip,
            .transposed = arguments.transposed,
            .ignore_keys = {arguments.ignore_keys.begin(), arguments.ignore_keys.end()},
            .dims = arguments.dims};
}

std::string input_files_text() {
    return "Layer list (CSV, JSON, benchdnn problems, ONEDNN_VERBOSE log), weights (safetensors or "
           "GGUF, one file or several, or their folder), config.json, ONNX or a packed file";
}

void add_plan_options(CLI::App& command, PlanArguments& arguments) {
    command
        .add_option(
            "--policy", arguments.policy,
            "Rule that chooses: ratio (shapes), cost (time on --core), accuracy (error budget), all (side by side)")
        ->type_name("NAME")
        ->capture_default_str();
    command.add_option("--min-ratio", arguments.min_ratio, "Policy ratio: INT8 if K*N/(K+N) is at least this")
        ->capture_default_str();
    command.add_option("--core", arguments.core, "Core that costs are for: " + expected_cores())
        ->type_name("NAME|FILE.json");
    command
        .add_option("--db", arguments.database, "Tuning database: what was measured on --core counts before the model")
        ->type_name("FILE");
    command.add_flag("--accept-stale", arguments.accept_stale,
                     "With --db: take records of other versions of the kernels too");
    command.add_option("--noise", arguments.noise, "Policy cost: INT8 has to be faster by more than this share")
        ->capture_default_str();
    command.add_flag("--strict", arguments.strict, "What no file says and would be assumed is an error");
    command
        .add_option("--ignore-key", arguments.ignore_keys,
                    "Key of config.json or of a GGUF file that is taken as not being there; repeatable")
        ->allow_extra_args(false)
        ->type_name("NAME");
    // One value per flag: a list would swallow the files behind it.
    command
        .add_option("--force", arguments.forces,
                    "REGEX=int8, fp16 or int4: precision of the linears it matches; repeatable, the last match wins")
        ->allow_extra_args(false)
        ->type_name("REGEX=PRECISION");
    command
        .add_option("--skip", arguments.skip,
                    "Linears to leave in FP16, or out, where their weights are not read; wins over --force")
        ->type_name("REGEX");
    command
        .add_option("--transposed", arguments.transposed,
                    "Linears whose weights lie [K, N] in the file, as Conv1D of GPT-2")
        ->type_name("REGEX");
    const std::vector<std::string> formats(input_format_names().begin(), input_format_names().end());
    command.add_option("--from", arguments.from, "Format of the files; found out by name and content unless given")
        ->check(CLI::IsMember(formats))
        ->type_name("");
    command
        .add_option("--tokens", arguments.tokens,
                    "M of every layer; of an ONNX graph, what it leaves open and no --dim says")
        ->type_name("N");
    command
        .add_option_function<std::vector<std::string>>(
            "--dim", [&arguments](const std::vector<std::string>& texts) { arguments.dims = parse_dims(texts); },
            "An extent that an ONNX graph leaves open, by its name, e.g. past_sequence_length=128; repeatable")
        ->allow_extra_args(false)
        ->type_name("NAME=N");
}

Result<std::vector<PlanOptions>> parse_plan_options(const PlanArguments& arguments, std::vector<std::string>* notes) {
    PlanOptions options;
    std::vector<Policy> policies;
    if (arguments.policy == kAllPolicies) {
        policies = {Policy::kRatio, Policy::kCost};
    } else if (const std::optional<Policy> policy = parse_policy(arguments.policy)) {
        policies = {*policy};
    } else {
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("--policy: expected ratio, cost, accuracy or all, found {}",
                                  internal::quote(arguments.policy)));
    }
    options.min_ratio = arguments.min_ratio;
    options.skip = arguments.skip;
    options.noise = arguments.noise;
    options.threads = arguments.threads;
    for (const std::string& text : arguments.forces) {
        Result<Force> force = parse_force(text);
        if (!force.ok()) return force.status();
        options.forces.push_back(std::move(force).value());
    }
    if (Status status = validate(options); !status.ok()) return Status(status.code(), "--" + status.message());
    const bool costs = std::find(policies.begin(), policies.end(), Policy::kCost) != policies.end();
    if (arguments.core.empty() && costs) {
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("--core: expected {} for policy {}, found none", expected_cores(), arguments.policy));
    }
    if (!arguments.core.empty()) {
        Result<Core> core = load_core(arguments.core);
        if (!core.ok()) return core.status();
        options.core = std::move(core).value();
    }
    if (!arguments.database.empty()) {
        if (!options.core) {
            return Status(StatusCode::kInvalidArgument,
                          fmt::format("--db: expected --core NAME beside it: {}", expected_cores()));
        }
        Result<tuner::DatabaseContent> content = read_records(arguments.database, arguments.accept_stale, notes);
        if (!content.ok()) return content.status();
        options.measurements = tuner::measurements_of(content->records, is_core);
    }
    std::vector<PlanOptions> all;
    for (const Policy policy : policies) {
        all.push_back(options);
        all.back().policy = policy;
    }
    return all;
}

Status check_assumptions(const PlanArguments& arguments, const Model& model, const std::string& file) {
    if (!arguments.strict) return {};
    const auto table =
        std::find_if(model.left_out.begin(), model.left_out.end(), [](const LeftOut& left) { return left.assumed; });
    if (table != model.left_out.end()) {
        return {StatusCode::kParseError, fmt::format("{}: --strict: tensor {}: assumed: a table, by its name",
                                                     display(file), internal::quote(table->tensor))};
    }
    const Layer* first = nullptr;
    std::size_t rows = 0;
    for (const Layer& layer : model.layers) {
        if (layer.assumptions.empty()) continue;
        if (rows++ == 0) first = &layer;
    }
    if (!first) return {};
    return {StatusCode::kParseError,
            fmt::format("{}: --strict: layer {}: assumed: {}{}", display(file), internal::quote(first->name),
                        first->assumptions.front(), rows > 1 ? fmt::format(" ({} rows in all)", rows) : "")};
}

void report_notes(const std::vector<std::vector<std::string>>& notes) {
    if (notes.empty()) return;
    for (const std::string& line : notes.front()) {
        const bool everywhere = std::all_of(notes.begin(), notes.end(), [&](const std::vector<std::string>& lines) {
            return std::find(lines.begin(), lines.end(), line) != lines.end();
        });
        if (everywhere) note(line);
    }
}

}  // namespace octile::cli
