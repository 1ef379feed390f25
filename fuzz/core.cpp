#include "octile/core.h"

#include "fuzz/require.h"
#include "fuzz/use_model.h"
#include "octile/planner.h"

namespace octile::fuzz {
namespace {

// A norm, two linears that share what it writes, and a feed-forward of one row.
Model block() {
    return {.name = "block",
            .layers = {{.name = "norm", .op = Op::kLayerNorm, .m = 128, .k = 768, .n = 768, .count = 12, .bias = true},
                       {.name = "q", .m = 128, .k = 768, .n = 768, .count = 12},
                       {.name = "k", .m = 128, .k = 768, .n = 768, .count = 12, .inputs = {"norm"}},
                       {.name = "up", .m = 1, .k = 768, .n = 3072, .activation = Activation::kGelu},
                       {.name = "down", .m = 1, .k = 3072, .n = 768, .activation = Activation::kSilu}}};
}

}  // namespace

void read_core(std::string_view input) {
    const Result<Core> core = core_from_json(input);
    if (!went_well(core)) return;
    const Result<Core> again = core_from_json(to_json(core.value()));
    require(again.ok() && again.value() == core.value(), "a core's JSON is another core: " + again.status().message());
    static const Model model = block();
    for (const int threads : {1, 7}) {
        const Result<Plan> plan = make_plan(model, {.policy = Policy::kCost, .core = core.value(), .threads = threads});
        if (went_well(plan)) use(plan.value());
    }
}

}  // namespace octile::fuzz
