// What is known about INT8 and FP16 on these cores, as the planner's answers: shape, core, policy -> decision, reason.
#include <catch2/catch.hpp>
#include <cmath>

#include "planner/cost_model.h"
#include "tests/planner/build_layers.h"

using namespace octile;
using test::activation;
using test::layer_norm;
using test::linear;

namespace {

PlanOptions on(std::string_view core, int threads = 1) {
    PlanOptions options;
    options.policy = Policy::kCost;
    options.core = find_core(core).value();
    options.threads = threads;
    return options;
}

Plan planned(const std::vector<Layer>& layers, const PlanOptions& options) {
    Result<Plan> plan = make_plan({"net", layers}, options);
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    return std::move(plan).value();
}

PlannedLayer alone(std::int64_t m, std::int64_t k, std::int64_t n, const PlanOptions& options) {
    return planned({linear("fc", m, k, n)}, options).layers[0];
}

double gain(std::int64_t m, std::int64_t k, std::int64_t n, std::string_view core) {
    return alone(m, k, n, on(core)).cost.gain().value();
}

}  // namespace

TEST_CASE("At large M INT8 gains 4 times on i8mm cores and twice on SDOT cores", "[cost]") {
    for (const char* const core :
         {"neoverse-n2", "neoverse-v1", "neoverse-v2", "cortex-a710", "cortex-a720", "cortex-x2", "cortex-x4"}) {
        INFO(core);
        CHECK(gain(512, 4096, 4096, core) == Approx(4).epsilon(0.1));
        const Isa level = core == std::string_view("neoverse-v1") ? Isa::kSve256 : Isa::kI8mm;
        CHECK(alone(512, 4096, 4096, on(core)).cost.int8->isa == level);
    }
    for (const char* const core : {"neoverse-n1", "cortex-a76", "cortex-a78", "cortex-x1", "apple-m1"}) {
        INFO(core);
        CHECK(gain(512, 4096, 4096, core) == Approx(2).epsilon(0.1));
        CHECK(alone(512, 4096, 4096, on(core)).cost.int8->isa == Isa::kDotprod);
    }
}

TEST_CASE("At M = 1 INT8 gains at most twice: the weights have half the bytes", "[cost]") {
    for (const std::string_view core : core_names()) {
        for (const std::int64_t size : {240, 1008, 2064, 4128}) {  // multiples of every tile: no padding
            INFO(core << " " << size);
            CHECK(gain(1, size, size, core) <= 2.001);
        }
        INFO(core);
        // Far more weights than any cache holds.
        const PlannedLayer large = alone(1, 16384, 32768, on(core));
        CHECK(large.cost.gain().value() == Approx(2).epsilon(0.05));
        CHECK(large.reason == Reason::kBandwidthBound);
        CHECK(large.cost.fp16->bound == Bound::kMemory);
    }
}

TEST_CASE("SMMLA gains nothing over SDOT on Oryon, Apple M3 and Ampere1", "[cost]") {
    for (const char* const name : {"oryon", "apple-m3", "ampere1"}) {
        INFO(name);
        const PlanOptions with = on(name);
        PlanOptions without = with;
        without.core->int8_macs_per_cycle[static_cast<std::size_t>(Isa::kI8mm)] = 0;
        for (const std::int64_t m : {1, 8, 128, 512}) {
            const double faster = alone(m, 2048, 2048, with).cost.int8_us().value();
            CHECK(faster == Approx(alone(m, 2048, 2048, without).cost.int8_us().value()).epsilon(0.01));
        }
        CHECK(gain(512, 4096, 4096, name) == Approx(2).epsilon(0.1));
    }
}

TEST_CASE("Tiny layers stay FP16", "[cost]") {
    for (const std::string_view core : core_names()) {
        for (const std::int64_t size : {4, 8, 16, 32}) {
            INFO(core << " " << size);
            const PlannedLayer layer = alone(1, size, size, on(core));
            CHECK(layer.precision == Precision::kFp16);
            CHECK((layer.reason == Reason::kTieKeepsFp16 || layer.reason == Reason::kQdqDominates ||
                   layer.reason == Reason::kInt8NotFaster));
        }
    }
}

TEST_CASE("INT8 is kept for bandwidth at M = 1 below ratio 256", "[cost]") {
    for (const char* const core : {"neoverse-n1", "neoverse-n2", "neoverse-v2", "cortex-a76", "cortex-a53"}) {
        INFO(core);
        // K*N/(K+N) = 199: the ratio policy says FP16.
        Layer narrow = linear("narrow", 1, 8192, 204);
        narrow.count = 32;
        const PlannedLayer by_cost = planned({narrow}, on(core)).layers[0];
        CHECK(*by_cost.ratio < 256);
        CHECK(by_cost.precision == Precision::kInt8);
        CHECK(by_cost.reason == Reason::kBandwidthBound);
        PlanOptions ratio = on(core);
        ratio.policy = Policy::kRatio;
        CHECK(planned({narrow}, ratio).layers[0].precision == Precision::kFp16);
    }
}

TEST_CASE("Cores without SDOT gain bandwidth, little arithmetic", "[cost]") {
    for (const char* const core : {"cortex-a53", "cortex-a72"}) {
        INFO(core);
        CHECK(gain(128, 2048, 2048, core) < 1.4);
        CHECK(alone(1, 4096, 4096, on(core)).precision == Precision::kInt8);
    }
}

TEST_CASE("Quantizing the input can cost more than a fast product saves", "[cost]") {
    // A core that quantizes badly, and few output features to spread that over.
    PlanOptions options = on("neoverse-n1");
    options.core->cycles.quantize *= 5;
    const PlannedLayer layer = alone(4096, 4096, 24, options);
    CHECK(layer.precision == Precision::kFp16);
    CHECK(layer.reason == Reason::kQdqDominates);
    CHECK(layer.cost.int8->gemm_us + layer.cost.int8->epilogue_us <
          layer.cost.fp16->gemm_us + layer.cost.fp16->epilogue_us);
    CHECK(alone(4096, 4096, 512, options).precision == Precision::kInt8);
}

TEST_CASE("q, k and v pay for their panel once", "[cost]") {
    const std::vector<Layer> shared = {linear("in", 128, 512, 1024), linear("q", 128, 1024, 1024, {"in"}),
                                       linear("k", 128, 1024, 256, {"in"}), linear("v", 128, 1024, 256, {"in"})};
    const Plan plan = planned(shared, on("neoverse-n2"));
    const double whole = alone(128, 1024, 1024, on("neoverse-n2")).cost.int8->input_us;
    double paid = 0;
    for (std::size_t i = 1; i < 4; ++i) {
        CHECK(plan.layers[i].precision == Precision::kInt8);
        paid += plan.layers[i].cost.int8->input_us;
    }
    CHECK(paid == Approx(whole).margin(0.002));
    CHECK(plan.layers[1].panel == InputPanel::kOwn);
    CHECK(plan.layers[2].panel == InputPanel::kShared);
    CHECK(plan.layers[2].panel_from == "q");
    CHECK(plan.layers[3].panel_from == "q");
}

TEST_CASE("A small linear is INT8 if its panel is there anyway", "[cost]") {
    PlanOptions options = on("neoverse-n1");
    options.core->cycles.quantize *= 5;
    const Layer in = linear("in", 128, 64, 2048), small = linear("b", 128, 2048, 24, {"in"});
    CHECK(planned({in, small}, options).layers[1].precision == Precision::kFp16);
    const Plan plan = planned({in, linear("a", 128, 2048, 4096, {"in"}), small}, options);
    CHECK(plan.layers[2].precision == Precision::kInt8);
    CHECK(plan.layers[2].reason == Reason::kPanelShared);
    CHECK(plan.layers[2].panel_from == "a");
}

TEST_CASE("A layernorm quantizes for nothing, if it is the linears' own", "[cost]") {
    const auto with_norm = [](const Layer& norm) {
        return planned({norm, linear("fc", 128, 1024, 64, {"ln"})}, on("neoverse-n1")).layers[1];
    };
    const PlannedLayer fused = with_norm(layer_norm("ln", 128, 1024));
    CHECK(fused.cost.int8->input_us == 0);
    CHECK(fused.cost.fp16->input_us > 0);
    CHECK(fused.panel == InputPanel::kNorm);
    CHECK(fused.panel_from == "ln");
    CHECK(fused.precision == Precision::kInt8);
    // Another number of rows: there is a selection in between.
    const PlannedLayer apart = with_norm(layer_norm("ln", 256, 1024));
    CHECK(apart.cost.int8->input_us > 0);
    CHECK(apart.panel == (apart.precision == Precision::kInt8 ? InputPanel::kOwn : InputPanel::kNone));
}

TEST_CASE("INT8 goes on where a scale is fixed, and an FP16 layer in between pays for conversions", "[cost]") {
    std::vector<Layer> chain = {linear("a", 256, 768, 3072), linear("b", 256, 3072, 768), linear("c", 256, 768, 3072)};
    const Plan without = planned(chain, on("neoverse-v2"));
    CHECK(without.layers[1].cost.int8->input_us > 0);
    chain[0].output_scale = 0.05;
    chain[1].output_scale = 0.1;
    const Plan with = planned(chain, on("neoverse-v2"));
    CHECK(with.layers[1].cost.int8->input_us == 0);
    CHECK(with.layers[1].panel == InputPanel::kChain);
    CHECK(with.layers[1].panel_from == "a");
    CHECK(with.layers[1].cost.fp16->conversion_us > 0);
    CHECK(with.layers[2].cost.fp16->conversion_us == 0);  // nobody behind it
    CHECK(with.layers[1].cost.gain().value() > without.layers[1].cost.gain().value());

    PlanOptions options = on("neoverse-v2");
    options.forces = {{"a", Precision::kFp16}};
    CHECK(planned(chain, options).layers[1].panel == InputPanel::kOwn);
}

TEST_CASE("A tie within the noise stays FP16, and the noise is the caller's", "[cost]") {
    PlanOptions options = on("neoverse-n1");
    const PlannedLayer layer = alone(128, 512, 512, options);
    REQUIRE(layer.precision == Precision::kInt8);
    const double gained = layer.cost.gain().value() - 1;
    options.noise = gained * 1.001;
    CHECK(alone(128, 512, 512, options).reason == Reason::kTieKeepsFp16);
    CHECK(alone(128, 512, 512, options).margin.value() < 0);
    options.noise = gained * 0.999;
    CHECK(alone(128, 512, 512, options).precision == Precision::kInt8);
    CHECK(alone(128, 512, 512, options).margin.value() >= 0);
}

TEST_CASE("Threads divide compute among the cores and stop at their number", "[cost]") {
    const double one = alone(512, 2048, 2048, on("neoverse-n1")).cost.int8_us().value();
    const double sixteen = alone(512, 2048, 2048, on("neoverse-n1", 16)).cost.int8_us().value();
    CHECK(one / sixteen > 10);
    CHECK(one / sixteen <= 16);
    const Plan plan = planned({linear("fc", 512, 2048, 2048)}, on("cortex-a76", 64));
    CHECK(plan.threads == 4);
    // Bandwidth does not grow with them.
    const double few = alone(1, 8192, 8192, on("cortex-a76", 2)).cost.int8_us().value();
    const double all = alone(1, 8192, 8192, on("cortex-a76", 4)).cost.int8_us().value();
    CHECK(few / all < 1.3);
}

TEST_CASE("Measurements are used, and marked", "[cost]") {
    PlanOptions options = on("neoverse-n1");
    options.measurements = [](const MeasurementKey& key) -> std::optional<double> {
        CHECK(key.core == "neoverse-n1");
        if (key.n != 512) return std::nullopt;
        return key.precision == Precision::kInt8 ? 300 : 200;
    };
    const Plan plan = planned({linear("a", 128, 512, 512), linear("b", 128, 512, 1024, {"a"})}, options);
    CHECK(plan.layers[0].precision == Precision::kFp16);
    CHECK(plan.layers[0].reason == Reason::kMeasuredFaster);
    CHECK(plan.layers[0].cost.source == CostSource::kMeasured);
    CHECK(plan.layers[0].cost.int8_us().value() == Approx(300).margin(0.01));
    CHECK(plan.layers[0].cost.fp16_us().value() == Approx(200).margin(0.01));
    CHECK(plan.layers[1].cost.source == CostSource::kModel);
    CHECK(plan.layers[1].precision == Precision::kInt8);

    options.measurements = [](const MeasurementKey& key) -> std::optional<double> {
        if (key.precision == Precision::kInt8) return 1;
        return std::nullopt;
    };
    const PlannedLayer mixed = alone(128, 512, 512, options);
    CHECK(mixed.cost.source == CostSource::kMixed);
    CHECK(mixed.cost.int8->measured);
    CHECK_FALSE(mixed.cost.fp16->measured);
}

TEST_CASE("Patterns go before costs", "[cost]") {
    PlanOptions options = on("neoverse-n2");
    options.forces = {{"k", Precision::kFp16}, {"tiny", Precision::kInt8}};
    options.skip = "^v$";
    const Plan plan =
        planned({linear("in", 128, 512, 512), linear("q", 128, 512, 512, {"in"}), linear("k", 128, 512, 512, {"in"}),
                 linear("v", 128, 512, 512, {"in"}), linear("tiny", 1, 8, 8), linear("deep", 128, 200000, 512)},
                options);
    const auto verdict = [&](std::size_t i) { return std::pair(plan.layers[i].precision, plan.layers[i].reason); };
    CHECK(verdict(1).first == Precision::kInt8);
    CHECK(verdict(2) == std::pair(Precision::kFp16, Reason::kForced));
    CHECK(verdict(3) == std::pair(Precision::kFp16, Reason::kSkipped));
    CHECK(verdict(4) == std::pair(Precision::kInt8, Reason::kForced));
    CHECK(verdict(5) == std::pair(Precision::kFp16, Reason::kNoKernel));
}

TEST_CASE("Policy accuracy takes the caller's verdicts", "[accuracy]") {
    PlanOptions options;
    options.policy = Policy::kAccuracy;
    CHECK(make_plan({"net", {linear("a", 1, 8, 8)}}, options).status().message() ==
          "errors: expected one for each of 1 layers, found 0");
    options.errors = {LayerError{.sqnr_db = 40, .cosine = 1, .int8 = true}, std::nullopt,
                      LayerError{.sqnr_db = 8, .cosine = 0.9, .int8 = false}, std::nullopt};
    const Plan plan = planned({linear("a", 1, 64, 64), activation("act", 1, 64, Activation::kGelu),
                               linear("b", 1, 64, 64), linear("c", 1, 64, 64)},
                              options);
    REQUIRE(plan.layers.size() == 3);
    CHECK(plan.layers[0].reason == Reason::kWithinBudget);
    CHECK(plan.layers[0].precision == Precision::kInt8);
    CHECK(plan.layers[0].error->sqnr_db == 40);
    CHECK(plan.layers[1].reason == Reason::kAccuracyBudget);
    CHECK(plan.layers[1].error->sqnr_db == 8);
    CHECK(plan.layers[2].reason == Reason::kAccuracyBudget);
    CHECK_FALSE(plan.layers[2].error.has_value());
    CHECK(summarize(plan).left_by_accuracy == 2);
    CHECK(plan_from_json(to_json(plan)).value() == plan);
}

TEST_CASE("Options that no cost can be computed with", "[cost]") {
    PlanOptions options;
    options.policy = Policy::kCost;
    CHECK(validate(options).message() == "core: expected a core for policy cost, found none");
    options = on("oryon");
    options.threads = 0;
    CHECK(validate(options).message() == "threads: expected 1 to 1024, found 0");
    options = on("oryon");
    options.noise = -0.5;
    CHECK(validate(options).message() == "noise: expected a finite number >= 0, found -0.5");
}
