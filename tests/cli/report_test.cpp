// Plans with errors and a frontier, as tables and as a report: what the command shows once errors are supplied.
#include <catch2/catch.hpp>

#include "cli/html_charts.h"
#include "cli/html_report.h"
#include "cli/plan_output.h"
#include "octile/planner.h"

using namespace octile;

namespace {

std::size_t count(const std::string& text, const std::string& what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
        ++found;
    return found;
}

// The same two layers under every policy.
std::vector<Plan> plans() {
    Model model{"net", {}};
    for (const char* const name : {"first", "second"}) {
        Layer& layer = model.layers.emplace_back();
        layer.name = name;
        layer.m = 128;
        layer.k = layer.n = 512;
    }
    PlanOptions options;
    options.core = find_core("neoverse-n1").value();
    options.errors = {LayerError{.sqnr_db = 41.25, .cosine = 1, .int8 = true},
                      LayerError{.sqnr_db = 7.5, .cosine = 0.9}};
    std::vector<Plan> result;
    for (const Policy policy : {Policy::kRatio, Policy::kCost, Policy::kAccuracy}) {
        options.policy = policy;
        result.push_back(make_plan(model, options).value());
    }
    result.back().frontier = {{.int8_layers = 0, .saved_us = 0, .sqnr_db = 60},
                              {.int8_layers = 1, .saved_us = 500, .sqnr_db = 41},
                              {.int8_layers = 2, .saved_us = 1000, .sqnr_db = 7}};
    return result;
}

}  // namespace

TEST_CASE("All three policies stand side by side where there are errors", "[report]") {
    const std::string table = cli::format_plans(plans(), 3, "table", false);
    for (const char* const words : {"by ratio", "by cost", "by accuracy", "int8 WITHIN_BUDGET (41.2 dB)",
                                    "fp16 ACCURACY_BUDGET (7.5 dB)", "the policies disagree on 1 of 2 linears"}) {
        INFO(words << "\n" << table);
        CHECK(table.find(words) != std::string::npos);
    }
    const std::string one = cli::format_plans(std::vector{plans().back()}, 1, "table", false);
    CHECK(one.find("SQNR dB") != std::string::npos);
}

TEST_CASE("The frontier is drawn where the plan has one", "[report]") {
    const std::vector<Plan> all = plans();
    const std::string chart = cli::frontier_chart(all.back());
    CHECK(count(chart, "<circle") == 3);
    CHECK(count(chart, "<title>") == 3);
    CHECK(chart.find("1 linear in INT8: 500.0 us saved, SQNR 41.0 dB") != std::string::npos);
    CHECK(cli::frontier_chart(all.front()).empty());
    const std::string report = cli::html_report(all, 3);
    CHECK(count(report, "<svg class=\"frontier\"") == 1);
    CHECK(count(report, "<svg class=\"bars\"") == 1);
    CHECK(count(report, "<table>") == 2);
}

TEST_CASE("A plan of any size is a report", "[report]") {
    // A single point, equal times, no threshold: no division by nothing.
    Plan plan = plans().back();
    plan.frontier = {{.int8_layers = 1, .saved_us = 5, .sqnr_db = 30},
                     {.int8_layers = 1, .saved_us = 5, .sqnr_db = 30}};
    plan.min_ratio = 0;
    for (PlannedLayer& layer : plan.layers)
        layer.cost.int8 = layer.cost.fp16 = SideCost{};
    const std::string report = cli::html_report(std::vector{plan}, 1);
    CHECK(report.find("nan") == std::string::npos);
    CHECK(report.find("inf,") == std::string::npos);

    Plan large = plans()[1];
    while (large.layers.size() < 2 * cli::kMostBars)
        large.layers.push_back(large.layers.front());
    CHECK(count(cli::bar_chart(large), "<g class=\"layer\">") == cli::kMostBars);
    CHECK(count(cli::scatter_chart(large), "<circle") == large.layers.size());
}
