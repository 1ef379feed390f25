#include "cli/plan_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "inputs/messages.h"
#include "inputs/read_model.h"

namespace octile::cli {
namespace {

// Adds what policy `accuracy` needs to those options that are of it.
Status add_study(const std::filesystem::path& file, const ReadOptions& read, const AccuracySettings& settings,
                 Network& network) {
    const auto accuracy = std::find_if(network.options.begin(), network.options.end(),
                                       [](const PlanOptions& options) { return options.policy == Policy::kAccuracy; });
    if (accuracy == network.options.end()) return {};
    Result<AccuracyStudy> study = study_network(file, read, *accuracy, settings);
    if (!study.ok()) return study.status();
    network.study = std::move(study).value();
    accuracy->errors = errors_of(network.model, *network.study);
    return {};
}

}  // namespace

Result<Network> load_network(const std::string& file, const PlanArguments& arguments,
                             const std::vector<PlanOptions>& options, const AccuracySettings& settings) {
    const ReadOptions read = read_options(arguments);
    Result<Model> model = read_model(file, read);
    if (!model.ok()) return model.status();
    if (Status status = check_assumptions(arguments, model.value(), file); !status.ok()) return status;
    Network network{.model = std::move(model).value(), .options = options, .study = {}};
    if (Status status = add_study(file, read, settings, network); !status.ok()) return status;
    return network;
}

Result<Plan> plan_of(const Network& network, const PlanOptions& options, const std::string& file,
                     std::vector<std::string>* notes) {
    Result<Plan> plan = make_plan(network.model, options, notes);
    if (!plan.ok())
        return Status(StatusCode::kParseError, fmt::format("{}: {}", display(file), plan.status().message()));
    if (options.policy == Policy::kAccuracy && network.study) plan->frontier = network.study->frontier;
    return plan;
}

}  // namespace octile::cli
