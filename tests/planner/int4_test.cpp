// INT4 in plans: where a pattern asks for it, and nowhere else.
#include <catch2/catch.hpp>
#include <string>

#include "octile/planner.h"

using namespace octile;

namespace {

// The first two read the same rows; nobody knows what the third reads.
Model model() {
    Model model{"int4",
                {{.name = "q_proj", .m = 4, .k = 1024, .n = 1024},
                 {.name = "k_proj", .m = 4, .k = 1024, .n = 1024},
                 {.name = "long", .m = 4, .k = kMaxReduction + 1, .n = 8}}};
    model.layers[2].input_unknown = true;
    return model;
}

Plan plan_by(const PlanOptions& options) {
    const Result<Plan> plan = make_plan(model(), options);
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    return plan.value();
}

PlanOptions with_core(PlanOptions options) {
    const Result<Core> core = find_core("neoverse-n1");
    REQUIRE(core.ok());
    options.core = core.value();
    return options;
}

}  // namespace

TEST_CASE("INT4: a forced layer quantizes its input, unless its sums would be too long", "[planner]") {
    const Plan plan = plan_by({.forces = {{"^q|long", Precision::kInt4}}});
    CHECK(plan.layers[0].precision == Precision::kInt4);
    CHECK(plan.layers[0].reason == Reason::kForced);
    CHECK(plan.layers[0].quantize_input);
    CHECK(plan.layers[0].panel == InputPanel::kOwn);
    CHECK(plan.layers[1].precision == Precision::kInt8);
    CHECK(plan.layers[1].panel == InputPanel::kShared);
    CHECK(plan.layers[1].panel_from == "q_proj");
    CHECK(plan.layers[2].precision == Precision::kFp16);
    CHECK(plan.layers[2].reason == Reason::kNoKernel);
    const PlanSummary summary = summarize(plan);
    CHECK(summary.int4 == 1);
    CHECK(summary.int8 == 1);
    CHECK(summary.fp16 == 1);
    CHECK(to_text(summary).find("1 INT8, 1 INT4, 1 FP16") != std::string::npos);
}

TEST_CASE("INT4: its costs are in the plan and in the plan's time, and come back from JSON", "[planner]") {
    for (const Policy policy : {Policy::kRatio, Policy::kCost}) {
        const Plan plan = plan_by(with_core({.policy = policy, .forces = {{"^q", Precision::kInt4}}}));
        REQUIRE(plan.layers[0].cost.int4.has_value());
        CHECK(plan.layers[0].cost.us_of(Precision::kInt4) == plan.layers[0].cost.int4_us());
        CHECK_FALSE(plan.layers[1].cost.int4.has_value());
        double sum = 0;
        for (const PlannedLayer& planned : plan.layers)
            sum += planned.cost.us_of(planned.precision).value();
        CHECK(summarize(plan).plan_us.value() == Approx(sum));
        // What unpacking takes is more than INT8 at four rows, and less than the weights of FP16 would.
        CHECK(plan.layers[0].cost.int4->gemm_us > plan.layers[0].cost.int8->gemm_us);
        const Result<Plan> read = plan_from_json(to_json(plan));
        INFO(read.status().message());
        REQUIRE(read.ok());
        CHECK(read.value() == plan);
    }
}

TEST_CASE("INT4: a plan in which nobody asks for it does not speak of it", "[planner]") {
    for (const Policy policy : {Policy::kRatio, Policy::kCost}) {
        const Plan plan = plan_by(with_core({.policy = policy}));
        CHECK(to_json(plan).find("\"int4\":") == std::string::npos);
        CHECK(to_text(plan).find("int4=") == std::string::npos);
        CHECK(summarize(plan).int4 == 0);
    }
}
