// The options that say how to plan, shared by every command that plans.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/format.h"
#include "inputs/read_model.h"
#include "octile/planner.h"
#include "octile/status.h"

namespace octile::cli {

struct PlanArguments {
    std::string policy = std::string(name_of(Policy::kRatio));
    double min_ratio = kDefaultMinRatio;
    std::vector<std::string> forces;
    std::string skip;
    std::string transposed;
    std::optional<std::int64_t> tokens;
    std::map<std::string, std::int64_t> dims;  // extents of an ONNX graph by name
    std::string from;                          // name of an InputFormat; empty: each file tells
    std::string core;                          // a name, "host" or a file; empty: none
    double noise = kDefaultNoise;
    int threads = 1;       // the command's own option
    std::string database;  // of measurements; empty: none
    bool accept_stale = false;
    bool strict = false;  // nothing is taken for granted
    std::vector<std::string> ignore_keys;
};

// `--policy all`: the same layers under every policy.
inline constexpr std::string_view kAllPolicies = "all";

// How files are read. Layers that --skip names may be left out where they cannot be read.
ReadOptions read_options(const PlanArguments& arguments);

// What FILE may be, for the help.
std::string input_files_text();

// `arguments` must outlive the parsing.
void add_plan_options(CLI::App& command, PlanArguments& arguments);

// One set of options, or, with --policy all, one for each policy. Measures this machine if the core is "host".
// kInvalidArgument, naming the option, for what is a usage error. Notes are printed, or added to `notes`.
Result<std::vector<PlanOptions>> parse_plan_options(const PlanArguments& arguments,
                                                    std::vector<std::string>* notes = nullptr);

// With --strict: kParseError for a list in which something is assumed, naming the first row and what.
Status check_assumptions(const PlanArguments& arguments, const Model& model, const std::string& file);

// Prints, as notes, what make_plan said of each file's patterns. A pattern may be meant for one file of several: noted
// only if it decided nothing in any of them.
void report_notes(const std::vector<std::vector<std::string>>& notes);

}  // namespace octile::cli
