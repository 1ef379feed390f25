// Plans of networks whose linears share weights: a block that runs again and again has one packed set of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "octile/layer.h"
#include "octile/plan.h"
#include "octile/planner.h"
#include "octile/status.h"

namespace octile::cli {

// make_plan(), with each linear that `shared` names in the precision of the one whose weights it uses.
Result<Plan> make_plan_of_shared(const Model& model, PlanOptions options,
                                 const std::map<std::string, std::string, std::less<>>& shared,
                                 std::vector<std::string>* notes);

}  // namespace octile::cli
