#include "planner/plan_json.h"

#include <catch2/catch.hpp>

#include "tests/planner/build_layers.h"

using namespace octile;
using test::activation;
using test::layer_norm;
using test::linear;

namespace {

Plan small_plan() {
    const Result<Plan> plan =
        make_plan({"net",
                   {layer_norm("ln", 197, 768), linear("fc1", 197, 768, 3072),
                    activation("gelu", 197, 3072, Activation::kGelu), linear("out", 197, 64, 64, {"gelu"})}},
                  {});
    REQUIRE(plan.ok());
    return plan.value();
}

// small_plan()'s JSON with the first `from` replaced.
std::string edited(const std::string& from, const std::string& to) {
    std::string text = to_json(small_plan());
    const std::size_t position = text.find(from);
    REQUIRE(position != std::string::npos);
    return text.replace(position, from.size(), to);
}

std::string error_of(const std::string& json) {
    const Result<Plan> plan = plan_from_json(json);
    CHECK_FALSE(plan.ok());
    CHECK(plan.status().code() == StatusCode::kParseError);
    CHECK(plan.status().message().find('\n') == std::string::npos);
    CHECK(plan.status().message().size() < 500);
    return plan.status().message();
}

}  // namespace

TEST_CASE("The JSON of a plan", "[plan_json]") {
    const std::string expected = R"json({"octile_plan": 1,
 "model": "net",
 "policy": "ratio",
 "min_ratio": 256,
 "core": null, "threads": 1, "noise": 0,
 "summary": {"linears": 2, "int8": 1, "fp16": 1, "left_by_ratio": 1, "left_by_cost": 0, "left_by_accuracy": 0, "left_by_skip": 0, "left_no_kernel": 0, "left_by_force": 0, "not_linear": 1, "plan_us": null, "fp16_us": null},
 "layers": [
  {"name": "ln", "op": "layernorm", "m": 197, "k": 768, "n": 768, "count": 1, "act": "none", "bias": false, "inputs": [], "precision": "fp16", "reason": "NOT_A_LINEAR", "ratio": null, "margin": null, "quantize_input": false, "fused": "FusedLayerNorm(768)", "replaces": ["ln"], "kernel": null, "panel": "none", "panel_from": null, "cost": {"int8_us": null, "fp16_us": null}, "cost_source": "ratio"},
  {"name": "fc1", "op": "linear", "m": 197, "k": 768, "n": 3072, "count": 1, "act": "gelu", "bias": false, "inputs": [], "precision": "int8", "reason": "RATIO_GE_MIN", "ratio": 614.4, "margin": 358.4, "quantize_input": true, "fused": "FusedLinearAct(768→3072, act=gelu)", "replaces": ["fc1", "gelu"], "kernel": null, "panel": "norm", "panel_from": "ln", "cost": {"int8_us": null, "fp16_us": null}, "cost_source": "ratio"},
  {"name": "out", "op": "linear", "m": 197, "k": 64, "n": 64, "count": 1, "act": "none", "bias": false, "inputs": ["fc1"], "precision": "fp16", "reason": "RATIO_LT_MIN", "ratio": 32, "margin": -224, "quantize_input": false, "fused": "FusedLinear(64→64)", "replaces": ["out"], "kernel": null, "panel": "none", "panel_from": null, "cost": {"int8_us": null, "fp16_us": null}, "cost_source": "ratio"}]}
)json";
    CHECK(to_json(small_plan()) == expected);
}

TEST_CASE("Plans round-trip through JSON", "[plan_json]") {
    Plan plan = small_plan();
    CHECK(plan_from_json(to_json(plan)).value() == plan);
    plan.layers[1].kernel = "gemm_s8";
    plan.layers[0].layer.epsilon = 1e-12;
    plan.layers[1].gate = "the gate";
    plan.layers[2].layer.residual = "ln";
    plan.layers[1].layer.output_scale = 0.037;
    plan.layers[1].cost.int8 = SideCost{.input_us = 1, .gemm_us = 12.125, .isa = Isa::kI8mm, .measured = true};
    plan.layers[2].cost.fp16 = SideCost{.epilogue_us = 0.001, .conversion_us = 7, .bound = Bound::kMemory};
    plan.layers[1].cost.source = CostSource::kMixed;
    plan.layers[1].error = LayerError{.sqnr_db = 31.5, .cosine = 0.999, .smoothquant_alpha = 0.5, .int8 = true};
    plan.layers[2].error = LayerError{.sqnr_db = -3, .cosine = -0.25};
    plan.frontier = {{.int8_layers = 0, .saved_us = 0, .sqnr_db = 90},
                     {.int8_layers = 1, .saved_us = 3.5, .sqnr_db = 40}};
    plan.core = "neoverse-v2";
    plan.threads = 8;
    plan.noise = 0.05;
    plan.model = "a \"quoted\\ name\" → with / everything";
    plan.layers[2].layer.name = "x\"y";
    CHECK(plan_from_json(to_json(plan)).value() == plan);
}

TEST_CASE("500 random plans round-trip, alone and together", "[plan_json]") {
    std::mt19937 random(20252);
    std::vector<Plan> plans;
    for (int i = 0; i < 500; ++i) {
        Result<Plan> plan = make_plan(test::random_model(random), test::random_options(random));
        INFO("plan " << i << ": " << plan.status().message());
        REQUIRE(plan.ok());
        for (PlannedLayer& layer : plan->layers) {
            if (random() % 4 == 0) layer.kernel = "kernel_" + std::to_string(random() % 9);
            if (random() % 4 == 0) layer.cost.int8 = SideCost{.gemm_us = static_cast<double>(random()) / 3};
            if (random() % 4 == 0) layer.cost.fp16 = SideCost{.input_us = static_cast<double>(random()) * 1e-9};
        }
        const Result<Plan> read = plan_from_json(to_json(plan.value()));
        INFO(read.status().message());
        REQUIRE(read.ok());
        REQUIRE(read.value() == plan.value());
        plans.push_back(std::move(plan).value());
    }
    CHECK(plans_from_json(to_json(plans)).value() == plans);
}

TEST_CASE("One plan is an object, several are an array", "[plan_json]") {
    const Plan plan = small_plan();
    CHECK(plans_from_json(to_json(plan)).value() == std::vector{plan});
    CHECK(to_json(std::vector{plan}) == to_json(plan));
    CHECK(to_json(std::vector{plan, plan}).front() == '[');
    CHECK(to_json(std::vector<Plan>{}) == "[]\n");
    CHECK_FALSE(plan_from_json(to_json(std::vector{plan, plan})).ok());
    std::string second_broken = to_json(std::vector{plan, plan});
    second_broken.replace(second_broken.rfind("\"m\": 197"), 8, "\"m\": 0");
    CHECK(plans_from_json(second_broken).status().message() ==
          "[1].layers[2].m: expected an integer from 1 to 2147483647, found 0");
}

TEST_CASE("Errors name the field", "[plan_json]") {
    CHECK(error_of(edited("\"octile_plan\": 1", "\"octile_plan\": 2")) ==
          "octile_plan: expected an integer from 1 to 1, found 2");
    CHECK(error_of(edited("\"ratio\",\n", "\"speed\",\n")) ==
          "policy: expected one of \"ratio\", \"cost\", \"accuracy\", found \"speed\"");
    CHECK(error_of(edited("\"core\": null", "\"core\": 1")) == "core: expected a string, found 1");
    CHECK(error_of(edited("\"threads\": 1", "\"threads\": 0")) ==
          "threads: expected an integer from 1 to 1024, found 0");
    CHECK(error_of(edited("\"noise\": 0", "\"noise\": -1")) == "noise: expected a number >= 0, found -1");
    CHECK(error_of(edited("\"panel\": \"norm\"", "\"panel\": \"magic\"")).find("layers[1].panel: expected one of") ==
          0);
    CHECK(error_of(edited("\"min_ratio\": 256", "\"min_ratio\": -1")) == "min_ratio: expected a number >= 0, found -1");
    CHECK(error_of(edited("\"min_ratio\": 256", "\"min_ratio\": null")) ==
          "min_ratio: expected a number >= 0, found null");
    CHECK(error_of(edited("\"min_ratio\": 256,", "")) == "min_ratio: missing");
    CHECK(error_of(edited("\"model\": \"net\"", "\"model\": 7")) == "model: expected a string, found 7");
    CHECK(error_of(edited("\"model\": \"net\"", "\"model\": \"\\n\"")).find("model: expected a valid name") == 0);
    CHECK(error_of(edited("\"layers\"", "\"rows\"")) == "layers: missing");
    CHECK(error_of(edited("{\"octile_plan\": 1,", "{\"octile_plan\": 1, \"extra\": 1,")) ==
          "plan: unknown field \"extra\"");
    CHECK(
        error_of(edited("\"op\": \"linear\"", "\"op\": \"conv\"")) ==
        "layers[1].op: expected one of \"linear\", \"layernorm\", \"activation\", \"add\", \"other\", found \"conv\"");
    CHECK(error_of(edited("\"precision\": \"int8\"", "\"precision\": \"int2\"")) ==
          "layers[1].precision: expected \"int8\", \"fp16\" or \"int4\", found \"int2\"");
    CHECK(error_of(edited("RATIO_GE_MIN", "BECAUSE")).find("layers[1].reason: expected") == 0);
    CHECK(error_of(edited("\"act\": \"gelu\"", "\"act\": \"swish\"")).find("layers[1].act: expected one of") == 0);
    CHECK(error_of(edited("\"bias\": false", "\"bias\": 0")) == "layers[0].bias: expected true or false, found 0");
    CHECK(error_of(edited("\"inputs\": [\"fc1\"]", "\"inputs\": [1]")) ==
          "layers[2].inputs: expected an array of strings, found other elements");
    CHECK(error_of(edited("\"inputs\": [\"fc1\"]", "\"inputs\": [\"fc2\"]"))
              .find("layers: expected a valid list, found layer \"out\"") == 0);
    CHECK(error_of(edited("\"int8_us\": null", "\"int8_us\": -1")) ==
          "layers[0].cost.int8_us: expected a time >= 0 or null, found -1");
    CHECK(error_of(edited("\"int8_us\": null", "\"int8_us\": \"1\"")) ==
          "layers[0].cost.int8_us: expected a number or null, found \"1\"");
    CHECK(error_of(edited("\"fp16_us\": null}, \"cost_source\"", "\"fp16\": null}, \"cost_source\"")) ==
          "layers[0].cost.fp16_us: missing");
    CHECK(error_of(edited("\"kernel\": null, ", "")) == "layers[0].kernel: missing");
    CHECK(error_of(edited("\"kernel\": null", "\"kernel\": []")) ==
          "layers[0].kernel: expected a string, found an array");
    CHECK(error_of(edited("\"bias\": false", "\"bias\": false, \"bais\": true")) ==
          "layers[0]: unknown field \"bais\"");
    for (const std::string bad :
         {"0", "-1", "1.5", "\"3\"", "1000000000000000000", "99999999999999999999", "1e3", "null", "true"}) {
        INFO(bad);
        CHECK(error_of(edited("\"k\": 768", "\"k\": " + bad))
                  .find("layers[0].k: expected an integer from 1 to 2147483647, found ") == 0);
    }
}

TEST_CASE("A plan that contradicts itself is refused", "[plan_json]") {
    CHECK(error_of(edited("\"precision\": \"fp16\"", "\"precision\": \"int8\"")) ==
          "layers[0].precision: expected \"fp16\" for layernorm, found \"int8\"");
    CHECK(error_of(edited("\"quantize_input\": false", "\"quantize_input\": true")) ==
          "layers[0].quantize_input: expected false for \"fp16\", found true");
    CHECK(error_of(edited("\"ratio\": null", "\"ratio\": 1")) == "layers[0].ratio: expected null, found a number");
    CHECK(error_of(edited("\"margin\": 358.4", "\"margin\": null")) ==
          "layers[1].margin: expected a number, found null");
    CHECK(error_of(edited("\"panel\": \"norm\"", "\"panel\": \"none\"")) ==
          "layers[1].panel: expected another than \"none\" for \"int8\", found \"none\"");
    CHECK(error_of(edited("\"panel_from\": \"ln\"", "\"panel_from\": null")) ==
          "layers[1].panel_from: expected a layer's name, found null");
    CHECK(error_of(edited("\"int8_us\": null, \"fp16_us\": null}", "\"int8_us\": 1, \"fp16_us\": null}")) ==
          "layers[0].cost.int8_us: expected null, the sum of its parts, found 1");
    CHECK(error_of(edited("act=gelu", "act=relu"))
              .find("layers[1].fused: expected \"FusedLinearAct(768→3072, act=gelu)\"") == 0);
    CHECK(error_of(edited("\"replaces\": [\"ln\"]", "\"replaces\": []")) ==
          "layers[0].replaces: expected at least one name, found none");
    CHECK(error_of(edited("\"linears\": 2", "\"linears\": 3")).find("summary: expected 2 linears") == 0);
    CHECK(error_of(edited("\"k\": 768, \"n\": 3072", "\"k\": 131073, \"n\": 3072")) ==
          "layers[1].k: expected at most 131072 for \"int8\", found 131073");
}

TEST_CASE("What is no plan at all", "[plan_json]") {
    CHECK(error_of("").find("parse error") != std::string::npos);
    CHECK(error_of("{\"octile_plan\": 1,").find("parse error at line 1") == 0);
    CHECK(error_of("{}") == "octile_plan: missing: not a plan as `octile plan --format json` writes it");
    CHECK(error_of("[]") == "plan: expected an object, found an array");
    CHECK(error_of("7") == "plan: expected an object, found 7");
    CHECK(error_of("{\"octile_plan\": 1e999}").find("number overflow") != std::string::npos);
    CHECK(error_of("{\"a\": \"\xff\"}").find("parse error") == 0);
    CHECK(error_of("{\"a\": " + std::string(2000, 'x')).size() < 300);
    const std::string text = to_json(small_plan());
    for (std::size_t length = 0; length + 2 < text.size(); length += 7) {
        CHECK_FALSE(plan_from_json(std::string_view(text).substr(0, length)).ok());
    }
    CHECK_FALSE(plan_from_json(std::string(200000, '[')).ok());
    CHECK(error_of(edited("\"inputs\": []", "\"inputs\": [[[]]]")) ==
          "layers[0].inputs: expected an array of strings, found other elements");
    CHECK(error_of(edited("\"inputs\": []", "\"inputs\": " + std::string(100000, '[') + std::string(100000, ']')))
              .find("expected at most 16 levels of nesting, found more") != std::string::npos);
}
