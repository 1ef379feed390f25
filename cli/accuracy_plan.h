// Policy `accuracy` on the command line: error of every layer, the budget, and the tables that show both.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calibration/accuracy.h"
#include "calibration/budget.h"
#include "inputs/checkpoint.h"
#include "inputs/read_model.h"
#include "octile/planner.h"
#include "octile/status.h"
#include "quantize/quantize.h"

namespace octile::cli {

// The budget where none is given: about 10 % relative error over the network.
inline constexpr double kDefaultMinSqnr = 20;

struct AccuracyArguments {
    std::string calibration;  // folder or .npz; empty: synthetic rows
    std::optional<double> min_sqnr;
    std::optional<double> max_error;
    std::string smooth_quant = "auto";
    std::int64_t rows = kDefaultCalibrationRows;
};

// `arguments` must outlive the parsing.
void add_accuracy_options(CLI::App& command, AccuracyArguments& arguments);

struct AccuracySettings {
    Activations activations;
    AccuracyOptions options;
    double budget = 0;  // energy, see calibration/budget.h
};

// kInvalidArgument, naming the option, for a usage error; what Activations::open() says.
Result<AccuracySettings> parse_accuracy_options(const AccuracyArguments& arguments);

// What policy `accuracy` needs to know of a network, and what it found.
struct AccuracyStudy {
    std::map<std::string, LayerError, std::less<>> errors;  // of each linear, by name
    std::vector<FrontierPoint> frontier;                    // for the plan; empty without a core to tell times
    std::string table;                                      // per layer, the budget, and the frontier, for a terminal
    std::string markdown;
    std::vector<std::string> notes;
    SmoothingScales smoothing;  // of the layers that are better off smoothed
};

// Measures every linear and chooses the INT8 ones. `options` are those that the plan will be made with: its forces and
// skips are kept out of the choice, and what they make INT8 counts against the budget. Time saved is that of its core,
// or, without one, taken for proportional to M*K*N.
Result<AccuracyStudy> study_accuracy(const Checkpoint& checkpoint, const LinearTensors& tensors,
                                     const PlanOptions& options, const AccuracySettings& settings);

// The same for a file, as `options` have read it. kInvalidArgument where it holds no weights.
Result<AccuracyStudy> study_network(const std::filesystem::path& file, const ReadOptions& read,
                                    const PlanOptions& options, const AccuracySettings& settings);

// For PlanOptions: one for each row of a list.
std::vector<std::optional<LayerError>> errors_of(const Model& model, const AccuracyStudy& study);

// Whether a command that runs or quantizes has to measure: policy `accuracy`, or SmoothQuant by name.
bool needs_study(const CLI::App& command, const AccuracyArguments& arguments, const PlanOptions& options);

}  // namespace octile::cli
