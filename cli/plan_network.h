// From a file to the plans of the network that it describes, before anything is printed of them: what `octile plan`
// does, and octile.plan of the Python package.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/accuracy_plan.h"
#include "cli/plan_options.h"
#include "octile/layer.h"
#include "octile/planner.h"
#include "octile/status.h"

namespace octile::cli {

// A network as it was read, and, with policy `accuracy`, what that found out about it.
struct Network {
    Model model;
    std::vector<PlanOptions> options;  // one for each policy; `accuracy` has its errors
    std::optional<AccuracyStudy> study;
};

// Reads `file` as `arguments` say, and measures the linears where one of `options` is of policy `accuracy`.
// kInvalidArgument, naming the option, for a usage error; everything else names the file.
Result<Network> load_network(const std::string& file, const PlanArguments& arguments,
                             const std::vector<PlanOptions>& options, const AccuracySettings& settings);

// A network's plan by one of its options. `notes` as of make_plan(); errors name the file.
Result<Plan> plan_of(const Network& network, const PlanOptions& options, const std::string& file,
                     std::vector<std::string>* notes);

}  // namespace octile::cli
