#include "cli/tune_options.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <set>

#include "base/printable.h"
#include "cli/core_option.h"
#include "cli/plan_options.h"
#include "cli/shared_options.h"
#include "inputs/messages.h"
#include "inputs/read_model.h"
#include "tuner/protocol.h"
#include "tuner/schedule_file.h"
#include "tuner/source_tree.h"

namespace octile::cli {
namespace {

using tuner::TuneSettings;

constexpr int kMostCpu = 65535;
constexpr double kLeastTimeout = 1e-3, kMostSeconds = 1e9;

Status usage(std::string message) {
    return {StatusCode::kInvalidArgument, std::move(message)};
}

std::optional<tuner::Shard> parse_shard(const std::string& text) {
    tuner::Shard shard;
    if (text.empty()) return shard;
    const char* const end = text.data() + text.size();
    const auto index = std::from_chars(text.data(), end, shard.index);
    if (index.ec != std::errc() || index.ptr == end || *index.ptr != '/') return std::nullopt;
    const auto count = std::from_chars(index.ptr + 1, end, shard.count);
    if (count.ec != std::errc() || count.ptr != end || shard.index < 0 || shard.index >= shard.count)
        return std::nullopt;
    return shard;
}

// The level that layers run on: what this machine or the named core has at most.
Result<Isa> level_for(const TuneArguments& arguments, const std::filesystem::path& source, const std::string& family) {
    if (!arguments.isa.empty()) {
        const std::optional<Isa> isa = parse_isa(arguments.isa);
        if (isa) return *isa;
        return usage(fmt::format("--isa: expected the name of an ISA level, found {}", internal::quote(arguments.isa)));
    }
    std::optional<Core> core;
    IsaSet isas;
    if (arguments.runner == "local") {
        const Result<IsaSet> usable = usable_isas();
        if (!usable.ok()) return usable.status();
        isas = usable.value();
    } else if (arguments.core.empty() || arguments.core == "host") {
        return usage(
            fmt::format("--isa: expected a level, or --core NAME, with runner {}", internal::quote(arguments.runner)));
    } else {
        Result<Core> loaded = load_core(arguments.core);
        if (!loaded.ok()) return loaded.status();
        const auto& rates = family == "gemm_s8" ? loaded->int8_macs_per_cycle : loaded->fp16_macs_per_cycle;
        for (int isa = 0; isa < kIsaCount; ++isa) {
            if (rates[static_cast<std::size_t>(isa)] > 0) isas.add(static_cast<Isa>(isa));
        }
    }
    for (int isa = kIsaCount; isa-- > 0;) {
        if (!isas.has(static_cast<Isa>(isa))) continue;
        const Result<nlohmann::json> entry =
            tuner::schedule_entry(source / "schedules", "", static_cast<Isa>(isa), family);
        if (!entry.ok()) return entry.status();
        if (!entry->is_null()) return static_cast<Isa>(isa);
    }
    return usage(fmt::format("--isa: expected a level with kernels of {}, found none", family));
}

// For the model where no core was named.
std::string usual_core(const TuneArguments& arguments, Isa isa) {
    if (!arguments.core.empty()) return arguments.core;
    if (arguments.runner == "local" || isa < Isa::kNeon) return "host";
    if (isa == Isa::kNeon) return "cortex-a53";
    return isa == Isa::kSve256 ? "neoverse-v1" : isa == Isa::kI8mm ? "neoverse-n2" : "neoverse-n1";
}

Result<std::vector<tuner::TunedLayer>> read_layers(const TuneArguments& arguments) {
    std::vector<tuner::TunedLayer> layers;
    std::set<tuner::TunedLayer> seen;
    for (const std::string& file : arguments.files) {
        const Result<Model> model = read_model(file, {.tokens = arguments.tokens, .skip = {}, .format = std::nullopt});
        if (!model.ok()) return model.status();
        for (const tuner::TunedLayer& layer : tuner::layers_of(model.value())) {
            for (const std::int64_t extent : {layer.m, layer.k, layer.n}) {
                if (extent < 1 || extent > tuner::kMostExtent)
                    return Status(StatusCode::kParseError,
                                  fmt::format("{}: expected layers of 1 to {} rows and features, found {}",
                                              display(file), tuner::kMostExtent, extent));
            }
            if (seen.insert(layer).second) layers.push_back(layer);
        }
    }
    if (layers.empty()) return usage("FILE: expected layer lists with at least one linear, found none");
    return layers;
}

}  // namespace

std::optional<double> parse_duration(const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const std::string_view unit(end);
    const double scale = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
    const double seconds = value * scale;
    return seconds > 0 && seconds < kMostSeconds ? std::optional(seconds) : std::nullopt;
}

void add_tune_options(CLI::App& command, TuneArguments& arguments) {
    command.add_option("FILE", arguments.files, input_files_text())->type_name("");
    command.add_option("--tokens", arguments.tokens, "M of every layer")
        ->check(CLI::Range(std::int64_t{1}, tuner::kMostExtent))
        ->type_name("N");
    command.add_option("--db", arguments.database, "Database that measurements are appended to")
        ->type_name("FILE")
        ->capture_default_str();
    command.add_option("--runner", arguments.runner, fmt::format("Where to measure: {}", tuner::kRunners))
        ->type_name("RUNNER")
        ->capture_default_str();
    command.add_option("--family", arguments.families, "Kernels to tune: gemm_s8, gemm_f16; repeatable")
        ->allow_extra_args(false)
        ->check(CLI::IsMember({"gemm_s8", "gemm_f16"}))
        ->type_name("NAME")
        ->capture_default_str();
    command.add_option("--isa", arguments.isa, "Level to tune; unless given, the highest of this CPU or of --core")
        ->type_name("LEVEL");
    command
        .add_option("--core", arguments.core,
                    fmt::format("Core that the model ranks schedules for: {}", expected_cores()))
        ->type_name("NAME|FILE.json");
    command
        .add_option(
            "--rigor", arguments.rigor,
            "estimate (model only), measure (24 schedules and what is near the best), patient (64), exhaustive (all)")
        ->check(CLI::IsMember({"estimate", "measure", "patient", "exhaustive"}))
        ->capture_default_str();
    command.add_option("--budget", arguments.budget, "Time that it may take: 90s, 10m, 2h")
        ->type_name("TIME")
        ->capture_default_str();
    command.add_option("--trials", arguments.trials, "Most samples to take, beside the budget")
        ->check(CLI::Range(std::int64_t{1}, INT64_MAX))
        ->type_name("N");
    command.add_option("--seed", arguments.seed, "Of what is drawn")
        ->check(CLI::Range(std::int64_t{0}, INT64_MAX))
        ->type_name("N")
        ->capture_default_str();
    command.add_option("--shard", arguments.shard, "This part of the schedules, of N: 0/N to N-1/N")->type_name("I/N");
    add_margin_option(command, arguments.margin);
    command.add_option("--threads", arguments.threads, "Threads of a layer")->type_name("N")->capture_default_str();
    command.add_option("--cpu", arguments.cpu, "CPU to stay on, where cores differ")
        ->check(CLI::Range(0, kMostCpu))
        ->type_name("N");
    command.add_option("--sample-ms", arguments.sample_ms, "Least length of a sample")
        ->type_name("MS")
        ->capture_default_str();
    command.add_flag("--resume", arguments.resume, "Go on with the last search of these settings in the database");
    command.add_flag("--dry-run", arguments.dry_run, "Print what would be measured, and how long it would take");
    CLI::Option* bundle =
        command
            .add_option("--bundle", arguments.bundle,
                        "Write a tar to be measured off line, in place of measuring; run.sh in it does")
            ->type_name("OUT.tar");
    command
        .add_option("--import", arguments.import,
                    "Append a bundle's results.jsonl to the database, in place of measuring")
        ->type_name("FILE")
        ->excludes(bundle);
    command.add_flag("--json", arguments.events, "Progress as JSON events on stdout");
    command.add_flag("--accept-stale", arguments.accept_stale, "Append to a database of other versions of the kernels");
    command
        .add_option("--job-timeout", arguments.job_timeout,
                    "Seconds after which a job counts as hanging; unless given, many times what it should take")
        ->check(within(kLeastTimeout, kMostSeconds))
        ->type_name("S");
    command.add_flag("--no-build", arguments.no_build,
                     "Take the program that an earlier run with these settings built");
    command
        .add_option("--source", arguments.source,
                    "Octile's source tree; unless given, the one around this folder or program")
        ->type_name("FOLDER");
    command
        .add_option("--build-dir", arguments.build,
                    "Where schedules are built; unless given, build/tune in the source tree")
        ->type_name("FOLDER");
}

Result<std::vector<TuneSettings>> parse_tune_options(const TuneArguments& arguments) {
    const std::optional<double> budget = parse_duration(arguments.budget);
    if (!budget)
        return usage(fmt::format("--budget: expected a time such as 90s, 10m or 2h, found {}",
                                 internal::quote(arguments.budget)));
    const std::optional<tuner::Shard> shard = parse_shard(arguments.shard);
    if (!shard)
        return usage(
            fmt::format("--shard: expected I/N with I from 0 to N-1, found {}", internal::quote(arguments.shard)));
    if (arguments.threads < 1 || arguments.threads > 1024)
        return usage(fmt::format("--threads: expected 1 to 1024, found {}", arguments.threads));
    if (!(arguments.sample_ms > 0 && arguments.sample_ms <= 10000))
        return usage(fmt::format("--sample-ms: expected above 0, at most 10000, found {}", arguments.sample_ms));
    const Result<std::filesystem::path> source = tuner::find_source(arguments.source);
    if (!source.ok()) return source.status();
    Result<std::vector<tuner::TunedLayer>> layers = read_layers(arguments);
    if (!layers.ok()) return layers.status();

    std::vector<TuneSettings> all;
    for (const std::string& family : arguments.families) {
        const Result<Isa> isa = level_for(arguments, source.value(), family);
        if (!isa.ok()) return isa.status();
        Result<Core> core = load_core(usual_core(arguments, isa.value()));
        if (!core.ok()) return core.status();
        TuneSettings settings{.layers = layers.value(),
                              .core = std::move(core).value(),
                              .shard = *shard,
                              .margin = arguments.margin,
                              .source = source.value(),
                              .build = {},
                              .database = arguments.database};
        settings.kernel = family;
        settings.isa = isa.value();
        settings.rigor = *tuner::parse_rigor(arguments.rigor);
        settings.budget_seconds = *budget / static_cast<double>(arguments.families.size());
        settings.trials = arguments.trials.value_or(INT64_MAX);
        settings.seed = arguments.seed;
        settings.threads = arguments.threads;
        settings.sample_ms = arguments.sample_ms;
        settings.cpu = arguments.cpu;
        settings.resume = arguments.resume;
        settings.accept_stale = arguments.accept_stale;
        settings.job_seconds = arguments.job_timeout;
        settings.modelled = arguments.runner == tuner::kModelRunner;
        settings.builds = !arguments.no_build;
        const std::filesystem::path folder =
            arguments.build.empty() ? source.value() / "build/tune" : std::filesystem::absolute(arguments.build);
        settings.build = folder / fmt::format("{}-{}", name_of(isa.value()), family);
        all.push_back(std::move(settings));
    }
    return all;
}

}  // namespace octile::cli
