#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>

#include "octile/core.h"
#include "octile/planner.h"

using namespace octile;

namespace {

// Linears that all read the first one's output: one group.
Model shared_input(int count) {
    Model model{.name = "shared", .layers = {{.name = "x", .m = 8, .k = 64, .n = 64}}};
    for (int i = 0; i < count; ++i) {
        const std::string name = "l" + std::to_string(i);
        model.layers.push_back({.name = name, .m = 8, .k = 64, .n = 64, .inputs = {"x"}});
    }
    return model;
}

double seconds_to_plan(int count) {
    const Model model = shared_input(count);
    const PlanOptions options = {.policy = Policy::kCost, .core = find_core("neoverse-n1").value()};
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 3; ++i) {
        const auto start = std::chrono::steady_clock::now();
        REQUIRE(make_plan(model, options).ok());
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
}

}  // namespace

TEST_CASE("Linears that share an input are planned in time that grows as their number", "[planner]") {
    // Eight times the linears: 8 times the time, or 64 where each looks at all. Between them, on a machine that is
    // busy.
    const double small = seconds_to_plan(2'500), large = seconds_to_plan(20'000);
    INFO(small << " s, " << large << " s");
    CHECK(large < 30 * small);
}

TEST_CASE("Numbers that are none are no options", "[planner]") {
    const Model model = shared_input(1);
    for (const double wrong : {std::nan(""), -1.0, std::numeric_limits<double>::infinity()}) {
        PlanOptions options;
        options.min_ratio = wrong;
        CHECK(make_plan(model, options).status().code() == StatusCode::kInvalidArgument);
        options = {};
        options.noise = wrong;
        CHECK(make_plan(model, options).status().code() == StatusCode::kInvalidArgument);
    }
    for (const int wrong : {-1, 0, std::numeric_limits<int>::max()}) {
        PlanOptions options;
        options.threads = wrong;
        CHECK(make_plan(model, options).status().code() == StatusCode::kInvalidArgument);
    }
}
