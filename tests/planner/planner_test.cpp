#include "octile/planner.h"

#include <catch2/catch.hpp>
#include <chrono>

#include "tests/planner/build_layers.h"

using namespace octile;
using test::activation;
using test::layer_norm;
using test::linear;

namespace {

Plan planned(const std::vector<Layer>& layers, const PlanOptions& options = {}) {
    Result<Plan> plan = make_plan({"net", layers}, options);
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    return std::move(plan).value();
}

}  // namespace

TEST_CASE("A transformer block: fused, chosen and explained", "[planner]") {
    const Plan plan = planned({layer_norm("ln", 197, 768), linear("fc1", 197, 768, 3072),
                               activation("gelu", 197, 3072, Activation::kGelu), linear("fc2", 197, 3072, 768),
                               linear("small", 197, 144, 288)});
    CHECK(plan.model == "net");
    CHECK(plan.policy == Policy::kRatio);
    CHECK(plan.min_ratio == 256);
    REQUIRE(plan.layers.size() == 4);

    const PlannedLayer& norm = plan.layers[0];
    CHECK(norm.precision == Precision::kFp16);
    CHECK(norm.reason == Reason::kNotALinear);
    CHECK_FALSE(norm.quantize_input);
    CHECK(norm.ratio == std::nullopt);
    CHECK(norm.margin == std::nullopt);

    const PlannedLayer& fc1 = plan.layers[1];
    CHECK(fc1.layer.activation == Activation::kGelu);
    CHECK(fc1.precision == Precision::kInt8);
    CHECK(fc1.reason == Reason::kRatioGeMin);
    CHECK(fc1.quantize_input);
    CHECK(fc1.ratio.value() == Approx(614.4));
    CHECK(fc1.margin.value() == Approx(358.4));
    CHECK(fc1.replaces == std::vector<std::string>{"fc1", "gelu"});
    CHECK(fc1.kernel == std::nullopt);
    CHECK(fc1.cost == Cost{});

    const PlannedLayer& small = plan.layers[3];
    CHECK(small.precision == Precision::kFp16);
    CHECK(small.reason == Reason::kRatioLtMin);
    CHECK_FALSE(small.quantize_input);
    CHECK(small.ratio == 96.0);
    CHECK(small.margin == -160.0);
}

TEST_CASE("A linear that stays FP16 for whatever reason has no quantizer on its input", "[planner]") {
    PlanOptions options;
    options.skip = "skipped";
    options.forces = {{"forced_fp16", Precision::kFp16}, {"forced_int8", Precision::kInt8}};
    const Plan plan = planned(
        {linear("skipped", 1, 4096, 4096), linear("forced_fp16", 1, 4096, 4096), linear("low", 1, 8, 8),
         linear("deep", 1, kMaxReduction + 1, 4096), linear("forced_int8", 1, 8, 8), linear("taken", 1, 4096, 4096)},
        options);
    const std::vector<Reason> reasons = {Reason::kSkipped,  Reason::kForced, Reason::kRatioLtMin,
                                         Reason::kNoKernel, Reason::kForced, Reason::kRatioGeMin};
    REQUIRE(plan.layers.size() == reasons.size());
    for (std::size_t i = 0; i < reasons.size(); ++i) {
        INFO(plan.layers[i].layer.name);
        CHECK(plan.layers[i].reason == reasons[i]);
        CHECK(plan.layers[i].precision == (i < 4 ? Precision::kFp16 : Precision::kInt8));
        CHECK(plan.layers[i].quantize_input == (i >= 4));
    }
}

TEST_CASE("An up projection is multiplied by its gate", "[planner]") {
    const auto gate_of = [](Activation gate, Activation up, std::int64_t width) {
        std::vector<Layer> layers = {layer_norm("ln", 4, 64), linear("g", 4, 64, 256),
                                     linear("u", 4, 64, width, {"ln"}), linear("down", 4, 256, 64, {"g", "u"})};
        layers[1].activation = gate;
        layers[2].activation = up;
        return planned(layers).layers[2].gate;
    };
    CHECK(gate_of(Activation::kSilu, Activation::kNone, 256) == "g");
    CHECK(gate_of(Activation::kNone, Activation::kNone, 256).empty());
    CHECK(gate_of(Activation::kSilu, Activation::kSilu, 256).empty());
    CHECK(gate_of(Activation::kSilu, Activation::kNone, 128).empty());
    CHECK(gate_of(Activation::kNone, Activation::kSilu, 256).empty());  // the gate comes too late

    Layer g = linear("mlp.gate_proj", 4, 64, 256), u = linear("mlp.up_proj", 4, 64, 256);
    g.activation = Activation::kSilu;
    const Plan named = planned({layer_norm("ln", 4, 64), g, u, linear("mlp.down_proj", 4, 256, 64)});
    CHECK(named.layers[2].gate == "mlp.gate_proj");
    CHECK(named.layers[2].layer.inputs == std::vector<std::string>{"ln"});
}

TEST_CASE("Patterns see linears only, under their own name", "[planner]") {
    PlanOptions options;
    options.forces = {{"ln|gelu", Precision::kInt8}};
    std::vector<std::string> notes;
    const Result<Plan> plan =
        make_plan({"", {layer_norm("ln", 4, 8), linear("fc", 4, 8, 8), activation("gelu", 4, 8, Activation::kGelu)}},
                  options, &notes);
    REQUIRE(plan.ok());
    for (const PlannedLayer& layer : plan->layers)
        CHECK(layer.precision == Precision::kFp16);
    CHECK(plan->layers[0].reason == Reason::kNotALinear);
    CHECK(notes == std::vector<std::string>{"force \"ln|gelu=int8\" decides no layer"});
}

TEST_CASE("The summary counts every copy and every reason", "[planner]") {
    PlanOptions options;
    options.skip = "head";
    options.forces = {{"gate", Precision::kFp16}, {"tiny", Precision::kInt8}};
    std::vector<Layer> layers = {linear("fc", 1, 768, 3072),      linear("proj", 1, 64, 64),
                                 linear("head", 1, 768, 1000),    linear("gate", 1, 768, 3072),
                                 linear("tiny", 1, 8, 8),         layer_norm("ln", 1, 8),
                                 linear("deep", 1, 200000, 4096), linear("fc_last", 1, 768, 768)};
    layers[0].count = 12;
    layers[1].count = 24;
    layers[3].count = 2;
    layers[5].count = 25;
    const PlanSummary summary = summarize(planned(layers, options));
    CHECK(summary.linears == 12 + 24 + 1 + 2 + 1 + 1 + 1);
    CHECK(summary.int8 == 12 + 1 + 1);
    CHECK(summary.fp16 == 24 + 1 + 2 + 1);
    CHECK(summary.left_by_ratio == 24);
    CHECK(summary.left_by_skip == 1);
    CHECK(summary.left_by_force == 2);
    CHECK(summary.left_no_kernel == 1);
    CHECK(summary.not_linear == 25);
    CHECK(to_text(summary) == "42 linears: 14 INT8, 28 FP16 (ratio 24, explicit skip 1, no kernel 1, forced 2)");
}

TEST_CASE("M, bias and alignment do not change the ratio policy's answer", "[planner]") {
    for (const std::int64_t m : {1, 7, 128, 100000}) {
        for (const bool bias : {false, true}) {
            Layer odd = linear("odd", m, 769, 3071);
            odd.bias = bias;
            CHECK(planned({odd}).layers[0].precision == Precision::kInt8);
        }
    }
}

TEST_CASE("10,000 layers are planned in linear time", "[planner]") {
    Model model{"large", {}};
    for (int i = 0; i < 2500; ++i) {
        const std::string block = "model.layers." + std::to_string(i);
        model.layers.push_back(layer_norm(block + ".norm", 128, 768));
        model.layers.push_back(linear(block + ".mlp.up", 128, 768, 3072, {block + ".norm"}));
        model.layers.push_back(activation(block + ".mlp.act", 128, 3072, Activation::kGelu));
        model.layers.push_back(linear(block + ".mlp.down", 128, 3072, 768, {block + ".mlp.act"}));
    }
    PlanOptions options;
    options.forces = {{".*\\.12\\..*", Precision::kFp16}};
    const auto start = std::chrono::steady_clock::now();
    const Result<Plan> plan = make_plan(model, options);
    const auto elapsed = std::chrono::steady_clock::now() - start;
    REQUIRE(plan.ok());
    CHECK(plan->layers.size() == 7500);
    CHECK(summarize(plan.value()).left_by_force == 2);
    // It takes 20 ms; anything quadratic would take minutes under an emulator.
    CHECK(elapsed < std::chrono::seconds(5));
}
