#include <catch2/catch.hpp>

#include "octile/planner.h"
#include "tests/planner/build_layers.h"

using namespace octile;
using test::linear;

namespace {

Plan planned(const std::vector<Layer>& layers, const PlanOptions& options = {}) {
    const Result<Plan> plan = make_plan({"net", layers}, options);
    REQUIRE(plan.ok());
    return plan.value();
}

std::vector<std::string> changes(const Plan& before, const Plan& after) {
    std::vector<std::string> lines;
    for (const PlanDifference& difference : compare(before, after))
        lines.push_back(to_text(difference));
    return lines;
}

using Lines = std::vector<std::string>;

const std::vector<Layer> kList = {linear("a", 4, 768, 3072), linear("b", 4, 64, 64), linear("c", 4, 512, 512)};

}  // namespace

TEST_CASE("Equal plans differ in nothing", "[compare]") {
    CHECK(planned(kList) == planned(kList));
    CHECK(changes(planned(kList), planned(kList)).empty());
}

TEST_CASE("A flipped layer is one precision and one reason", "[compare]") {
    PlanOptions options;
    options.forces = {{"a", Precision::kFp16}};
    CHECK(changes(planned(kList), planned(kList, options)) ==
          Lines{"a: precision: int8 -> fp16", "a: reason: RATIO_GE_MIN -> FORCED"});
}

TEST_CASE("A new threshold is listed once, with the layers that it flips", "[compare]") {
    PlanOptions options;
    options.min_ratio = 300;
    CHECK(changes(planned(kList), planned(kList, options)) == Lines{"plan: min_ratio: 256 -> 300",
                                                                    "c: precision: int8 -> fp16",
                                                                    "c: reason: RATIO_GE_MIN -> RATIO_LT_MIN"});
}

TEST_CASE("A changed shape does not list what follows from it", "[compare]") {
    std::vector<Layer> list = kList;
    list[1].k = 65;
    list[2].bias = true;
    CHECK(changes(planned(kList), planned(list)) == Lines{"b: k: 64 -> 65", "c: bias: false -> true"});
}

TEST_CASE("Layers come, go and move", "[compare]") {
    std::vector<Layer> list = {kList[0], kList[2]};
    CHECK(changes(planned(kList), planned(list)) == Lines{"b: layer: FusedLinear(64→64) fp16 -> (none)"});
    CHECK(changes(planned(list), planned(kList)) == Lines{"b: layer: (none) -> FusedLinear(64→64) fp16"});
    CHECK(changes(planned(kList), planned({kList[2], kList[1], kList[0]})) == Lines{"c: position: 3 -> 1"});
    CHECK(changes(planned(kList), planned({kList[1], kList[0], kList[2]})) == Lines{"b: position: 2 -> 1"});
}

TEST_CASE("Repeated names are compared in order", "[compare]") {
    const std::vector<Layer> before = {kList[0], kList[0]};
    std::vector<Layer> after = before;
    after[1].m = 5;
    CHECK(changes(planned(before), planned(after)) == Lines{"a: m: 4 -> 5"});
    CHECK(changes(planned(before), planned({kList[0]})).size() == 1);
}

TEST_CASE("Every field counts", "[compare]") {
    const Plan before = planned(kList);
    const auto lines_after = [&](void (*change)(Plan&)) {
        Plan after = before;
        change(after);
        return changes(before, after);
    };
    CHECK(lines_after([](Plan& p) { p.model = ""; }) == Lines{"plan: model: net -> (none)"});
    CHECK(lines_after([](Plan& p) { p.layers[0].kernel = "gemm"; }) == Lines{"a: kernel: null -> gemm"});
    CHECK(lines_after([](Plan& p) { p.layers[0].kernel = "null"; }).size() == 1);
    CHECK(lines_after([](Plan& p) { p.layers[0].cost.int8 = SideCost{.gemm_us = 1.5}; }) ==
          Lines{"a: int8_us: null -> 1.5"});
    CHECK(lines_after([](Plan& p) { p.layers[0].cost.fp16 = SideCost{}; }) == Lines{"a: fp16_us: null -> 0"});
    CHECK(lines_after([](Plan& p) { p.core = "oryon"; }) == Lines{"plan: core: (none) -> oryon"});
    CHECK(lines_after([](Plan& p) { p.threads = 4; }) == Lines{"plan: threads: 1 -> 4"});
    CHECK(lines_after([](Plan& p) { p.noise = 0.5; }) == Lines{"plan: noise: 0 -> 0.5"});
    CHECK(lines_after([](Plan& p) { p.frontier.resize(2); }) == Lines{"plan: frontier: 0 points -> 2 points"});
    CHECK(lines_after([](Plan& p) { p.layers[0].panel = InputPanel::kNorm; }) == Lines{"a: panel: own -> norm"});
    CHECK(lines_after([](Plan& p) { p.layers[0].panel_from = "x"; }) == Lines{"a: panel_from: (none) -> x"});
    CHECK(lines_after([](Plan& p) { p.layers[0].gate = p.layers[1].layer.name; }) == Lines{"a: gate: (none) -> b"});
    CHECK(lines_after([](Plan& p) { p.layers[0].layer.residual = p.layers[1].layer.name; }) ==
          Lines{"a: residual: (none) -> b"});
    CHECK(lines_after([](Plan& p) { p.layers[0].layer.epsilon = 0.5; }) == Lines{"a: eps: null -> 0.5"});
    CHECK(lines_after([](Plan& p) { p.layers[0].layer.output_scale = 2; }) == Lines{"a: output_scale: null -> 2"});
    CHECK(lines_after([](Plan& p) { p.layers[0].error = LayerError{.sqnr_db = 30, .cosine = 1}; }) ==
          Lines{"a: error: null -> 30 dB, cosine 1, fp16"});
    CHECK(lines_after([](Plan& p) { p.layers[1].margin = 1; }) == Lines{"b: margin: -224 -> 1"});
    CHECK(lines_after([](Plan& p) { p.layers[1].ratio = 33; }) == Lines{"b: ratio: 32 -> 33"});
    CHECK(lines_after([](Plan& p) { p.layers[0].quantize_input = false; }) ==
          Lines{"a: quantize_input: true -> false"});
    CHECK(lines_after([](Plan& p) { p.layers[0].replaces = {"a", "x"}; }) == Lines{"a: replaces: [a] -> [a, x]"});
    CHECK(lines_after([](Plan& p) { p.layers[0].layer.count = 2; }) == Lines{"a: count: 1 -> 2"});
    CHECK(lines_after([](Plan& p) { p.layers[0].layer.inputs = {"b"}; }) == Lines{"a: inputs: [] -> [b]"});
    CHECK(lines_after([](Plan& p) { p.layers[0].layer.activation = Activation::kSilu; }) ==
          Lines{"a: act: none -> silu"});
    CHECK(lines_after([](Plan& p) { p.layers[0].layer.op = Op::kLayerNorm; }) == Lines{"a: op: linear -> layernorm"});
}

TEST_CASE("No difference means equal, in 2,000 pairs of random plans", "[compare]") {
    std::mt19937 random(20253);
    int equal = 0;
    for (int i = 0; i < 2000; ++i) {
        const Model model = test::random_model(random);
        Result<Plan> before = make_plan(model, test::random_options(random));
        Result<Plan> after = make_plan(model, test::random_options(random));
        REQUIRE(before.ok());
        REQUIRE(after.ok());
        after->min_ratio = before->min_ratio;
        std::vector<PlannedLayer>& layers = after->layers;
        const std::size_t last = layers.size() - 1;
        switch (random() % 6) {
            case 0:
                std::swap(layers[random() % layers.size()], layers[random() % layers.size()]);
                break;
            case 1:
                layers.erase(layers.begin() + static_cast<std::ptrdiff_t>(random() % layers.size()));
                break;
            case 2:
                layers[last].margin.reset();
                break;
            case 3:
                layers = before->layers;
                break;
            case 4:
                layers = before->layers;
                std::swap(layers[0], layers[last]);
                break;
            default:
                break;
        }
        const bool same = before.value() == after.value();
        equal += same;
        INFO(to_text(before.value()) << to_text(after.value()));
        REQUIRE(compare(before.value(), after.value()).empty() == same);
    }
    CHECK(equal > 200);
    CHECK(equal < 1800);
}
