// The options of `octile tune`, from words to settings.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "octile/status.h"
#include "tuner/session.h"

namespace octile::cli {

struct TuneArguments {
    std::vector<std::string> files;
    std::optional<std::int64_t> tokens;
    std::string database = "tuning.jsonl";
    std::string runner = "local";
    std::vector<std::string> families = {"gemm_s8"};
    std::string isa, core, rigor = "measure", budget = "10m", shard, source, build, bundle, import;
    std::optional<std::int64_t> trials;
    std::uint64_t seed = 1;
    std::optional<double> margin;
    int threads = 1, cpu = -1;
    double sample_ms = 2, job_timeout = 0;  // 0: many times what a job should take
    bool resume = false, dry_run = false, events = false, accept_stale = false, no_build = false;
};

// `arguments` must outlive the parsing.
void add_tune_options(CLI::App& command, TuneArguments& arguments);

// One for each family; the budget is shared among them. kInvalidArgument, naming the option, for a usage error.
Result<std::vector<tuner::TuneSettings>> parse_tune_options(const TuneArguments& arguments);

// "90", "90s", "10m", "1.5h" in seconds; nothing if it is none of these, or not positive.
std::optional<double> parse_duration(const std::string& text);

}  // namespace octile::cli
