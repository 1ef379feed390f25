#include "octile/plan.h"

#include "fuzz/require.h"
#include "fuzz/use_model.h"
#include "octile/planner.h"
#include "planner/plan_json.h"

namespace octile::fuzz {

void read_plan(std::string_view input) {
    const Result<std::vector<Plan>> plans = plans_from_json(input);
    if (!went_well(plans)) return;
    for (const Plan& plan : plans.value()) {
        use(plan);
        (void)compare(plan, plans->front());
    }
}

}  // namespace octile::fuzz
