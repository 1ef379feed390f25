// What holds for every list, core and policy.
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>

#include "planner/plan_json.h"
#include "tests/planner/build_layers.h"

using namespace octile;
using test::layer_norm;
using test::linear;

namespace {

PlanOptions random_cost_options(std::mt19937& random) {
    PlanOptions options = test::random_options(random);
    options.policy = Policy::kCost;
    const std::vector<std::string_view> cores = core_names();
    options.core = find_core(cores[random() % cores.size()]).value();
    options.threads = 1 + static_cast<int>(random() % 16);
    options.noise = static_cast<double>(random() % 20) / 100;
    return options;
}

Model random_scaled_model(std::mt19937& random) {
    Model model = test::random_model(random);
    for (Layer& layer : model.layers) {
        if (layer.op == Op::kLinear && random() % 3 == 0) layer.output_scale = 0.25 + static_cast<double>(random() % 8);
        if (layer.op == Op::kLayerNorm && random() % 2 == 0) layer.epsilon = 1e-5;
    }
    return model;
}

// Blocks in which linears share inputs, norms write panels and scales are fixed, which random shapes never agree on.
Model random_blocks(std::mt19937& random) {
    Model model{"blocks", {}};
    for (int block = 0; block < 1 + static_cast<int>(random() % 3); ++block) {
        const std::string p = "b" + std::to_string(block) + ".";
        const std::int64_t m = 1 + static_cast<std::int64_t>(random() % 200),
                           k = 16 + static_cast<std::int64_t>(random() % 900);
        const std::int64_t n = 16 + static_cast<std::int64_t>(random() % 900);
        if (random() % 2 == 0) model.layers.push_back(layer_norm(p + "norm", m, k));
        model.layers.push_back(linear(p + "q_proj", m, k, n));
        model.layers.push_back(linear(p + "k_proj", m, k, n));
        model.layers.push_back(linear(p + "v_proj", m, k, n));
        model.layers.push_back(linear(p + "o_proj", m, n, k));
        model.layers.push_back(linear(p + "fc1", m, k, n));
        model.layers.push_back(linear(p + "fc2", m, n, k));
        for (Layer& layer : model.layers) {
            if (layer.op == Op::kLinear && random() % 2 == 0) layer.output_scale = 0.5;
        }
    }
    return model;
}

Plan planned(const Model& model, const PlanOptions& options) {
    Result<Plan> plan = make_plan(model, options);
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    return std::move(plan).value();
}

}  // namespace

TEST_CASE("Plans by cost round-trip through JSON, in 500 random networks", "[properties]") {
    std::mt19937 random(20261);
    int chained = 0, shared = 0, converted = 0;
    for (int i = 0; i < 500; ++i) {
        const bool blocks = random() % 2 == 0;
        const Plan plan =
            planned(blocks ? random_blocks(random) : random_scaled_model(random), random_cost_options(random));
        const Result<Plan> read = plan_from_json(to_json(plan));
        INFO(read.status().message());
        REQUIRE(read.ok());
        REQUIRE(read.value() == plan);
        REQUIRE(compare(plan, read.value()).empty());
        for (const PlannedLayer& layer : plan.layers) {
            chained += layer.panel == InputPanel::kChain;
            shared += layer.panel == InputPanel::kShared;
            converted += layer.cost.fp16 && layer.cost.fp16->conversion_us > 0;
        }
    }
    CHECK(chained > 20);
    CHECK(shared > 20);
    CHECK(converted > 20);
}

TEST_CASE("More rows never make INT8 worse where both sides compute", "[properties]") {
    std::mt19937 random(20262);
    int looked_at = 0;
    for (int i = 0; i < 3000; ++i) {
        const PlanOptions options = [&] {
            PlanOptions any = random_cost_options(random);
            any.forces.clear();
            any.skip.clear();
            return any;
        }();
        const std::int64_t k = 16 * (1 + static_cast<std::int64_t>(random() % 64)),
                           n = 48 * (1 + static_cast<std::int64_t>(random() % 64));
        const std::int64_t m = 48 * (1 + static_cast<std::int64_t>(random() % 8));  // whole tiles on every level
        const auto at = [&](std::int64_t rows) {
            return planned({"net", {linear("fc", rows, k, n)}}, options).layers[0];
        };
        const PlannedLayer before = at(m), after = at(2 * m);
        const auto computes = [](const PlannedLayer& layer) {
            return layer.cost.int8->bound == Bound::kCompute && layer.cost.fp16->bound == Bound::kCompute;
        };
        // Nor do x and y leave a cache between the two.
        const auto grows_evenly = [&](const SideCost& small, const SideCost& large) {
            return large.input_us <= 2.01 * small.input_us + 0.002 &&
                   large.epilogue_us <= 2.01 * small.epilogue_us + 0.002;
        };
        if (!grows_evenly(*before.cost.int8, *after.cost.int8) || !grows_evenly(*before.cost.fp16, *after.cost.fp16))
            continue;
        if (!computes(before) || !computes(after)) continue;
        ++looked_at;
        INFO(options.core->name << " threads " << options.threads << " noise " << options.noise << ": " << m << " x "
                                << k << " x " << n);
        if (before.precision == Precision::kInt8) CHECK(after.precision == Precision::kInt8);
    }
    CHECK(looked_at > 1000);
}

TEST_CASE("The plan of lists one after the other is their plans one after the other", "[properties]") {
    std::mt19937 random(20263);
    for (int i = 0; i < 300; ++i) {
        // What reads the line above reads it across the seam as well: a list begins with a norm, whose cost nobody
        // counts.
        const auto list = [&](const std::string& prefix) {
            Model model = random_scaled_model(random);
            for (Layer& layer : model.layers) {
                layer.name.insert(0, prefix);
                for (std::string& input : layer.inputs)
                    input.insert(0, prefix);
            }
            model.layers.insert(model.layers.begin(), layer_norm(prefix + "first", 3, 5));
            return model;
        };
        const Model a = list("a."), b = list("b.");
        PlanOptions options = random_cost_options(random);
        if (random() % 3 == 0) options.policy = Policy::kRatio;
        Model both = a;
        both.layers.insert(both.layers.end(), b.layers.begin(), b.layers.end());
        std::vector<PlannedLayer> expected = planned(a, options).layers;
        for (const PlannedLayer& layer : planned(b, options).layers)
            expected.push_back(layer);
        std::vector<PlannedLayer> found = planned(both, options).layers;
        REQUIRE(found.size() == expected.size());
        // At the seam the line above is another.
        found[planned(a, options).layers.size()].layer.inputs.clear();
        for (std::size_t row = 0; row < found.size(); ++row) {
            INFO(to_text(planned(both, options)));
            REQUIRE(found[row] == expected[row]);
        }
    }
}

TEST_CASE("More noise never makes a layer INT8", "[properties]") {
    std::mt19937 random(20264);
    for (int i = 0; i < 500; ++i) {
        PlanOptions options = random_cost_options(random);
        Model model = test::random_model(random);
        for (Layer& layer : model.layers)
            layer.inputs.clear();  // by itself: linears that share an input decide together
        const Plan strict = planned(model, options);
        options.noise += 0.1;
        const Plan stricter = planned(model, options);
        for (std::size_t row = 0; row < strict.layers.size(); ++row) {
            if (strict.layers[row].precision == Precision::kFp16)
                CHECK(stricter.layers[row].precision == Precision::kFp16);
        }
    }
}

TEST_CASE("A plan by cost is never slower than FP16 throughout", "[properties]") {
    std::mt19937 random(20265);
    for (int i = 0; i < 500; ++i) {
        PlanOptions options = random_cost_options(random);
        options.forces.clear();
        const PlanSummary summary =
            summarize(planned(random() % 2 == 0 ? random_blocks(random) : random_scaled_model(random), options));
        if (summary.plan_us) CHECK(*summary.plan_us <= *summary.fp16_us + 0.001 * static_cast<double>(summary.linears));
    }
}

TEST_CASE("100,000 layers are planned by cost in time that grows as their number", "[properties]") {
    Model model{"large", {}};
    for (int i = 0; i < 100000 / 8; ++i) {
        const std::string block = "model.layers." + std::to_string(i) + ".";
        model.layers.push_back(layer_norm(block + "norm", 128, 768));
        for (const char* const name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"})
            model.layers.push_back(linear(block + name, 128, 768, 768));
        model.layers.push_back(linear(block + "mlp.gate_proj", 128, 768, 3072));
        model.layers.push_back(linear(block + "mlp.up_proj", 128, 768, 3072));
        model.layers.push_back(linear(block + "mlp.down_proj", 128, 3072, 768));
    }
    PlanOptions options;
    options.policy = Policy::kCost;
    options.core = find_core("neoverse-v2").value();
    const auto start = std::chrono::steady_clock::now();
    const Plan plan = planned(model, options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    CHECK(plan.layers.size() == 100000);
    CHECK(plan.layers[2].panel_from == "model.layers.0.norm");
#ifdef NDEBUG
    // An optimized build takes less than a second, 3.7 under an emulator, and a busy machine several times as long;
    // anything quadratic takes minutes. bench/ has the figure.
    CHECK(took.count() < 30);
#endif
}
