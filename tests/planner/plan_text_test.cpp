#include <catch2/catch.hpp>

#include "octile/planner.h"
#include "tests/planner/build_layers.h"

using namespace octile;
using test::activation;
using test::layer_norm;
using test::linear;

TEST_CASE("Fused forms", "[plan_text]") {
    PlannedLayer planned;
    planned.layer = linear("fc", 1, 768, 3072);
    CHECK(fused_form(planned) == "FusedLinear(768→3072)");
    planned.layer.activation = Activation::kGelu;
    CHECK(fused_form(planned) == "FusedLinearAct(768→3072, act=gelu)");
    planned.layer = layer_norm("ln", 197, 768);
    CHECK(fused_form(planned) == "FusedLayerNorm(768)");
    planned.layer.epsilon = 1e-12;
    CHECK(fused_form(planned) == "FusedLayerNorm(768, eps=1e-12)");
    planned.layer = activation("act", 197, 768, Activation::kSilu);
    CHECK(fused_form(planned) == "Activation(768, act=silu)");
}

TEST_CASE("The text of a small plan", "[plan_text]") {
    Layer qkv = linear("attn.qkv", 197, 768, 2304);
    qkv.bias = true;
    qkv.count = 12;
    Layer fc1 = linear("mlp.fc1", 197, 768, 3072, {"ln"});
    const Model model = {
        "vit",
        {layer_norm("ln", 197, 768), qkv, fc1, activation("mlp.gelu", 197, 3072, Activation::kGelu),
         linear("mlp.fc2", 197, 3072, 768, {"mlp.gelu"}), linear("head", 1, 768, 10), linear("deep", 1, 150000, 768)}};
    PlanOptions options;
    options.forces = {{"fc2", Precision::kFp16}};
    options.skip = "^head$";
    const Result<Plan> plan = make_plan(model, options);
    REQUIRE(plan.ok());
    CHECK(to_text(plan.value()) ==
          "plan vit policy=ratio min_ratio=256\n"
          "ln: FusedLayerNorm(768) m=197 count=1 fp16 NOT_A_LINEAR\n"
          "attn.qkv: FusedLinear(768→2304) m=197 count=12 int8 RATIO_GE_MIN ratio=576 bias quantize_input\n"
          "mlp.fc1: FusedLinearAct(768→3072, act=gelu) m=197 count=1 int8 RATIO_GE_MIN ratio=614.4 quantize_input "
          "panel=norm:ln inputs=ln "
          "replaces=mlp.fc1,mlp.gelu\n"
          "mlp.fc2: FusedLinear(3072→768) m=197 count=1 fp16 FORCED ratio=614.4 inputs=mlp.fc1\n"
          "head: FusedLinear(768→10) m=1 count=1 fp16 SKIPPED ratio=9.87147\n"
          "deep: FusedLinear(150000→768) m=1 count=1 fp16 NO_KERNEL ratio=764.088\n"
          "16 linears: 13 INT8, 3 FP16 (ratio 0, explicit skip 1, no kernel 1, forced 1)\n");
}

TEST_CASE("The summary in words", "[plan_text]") {
    PlanSummary summary;
    summary.linears = 12;
    summary.int8 = summary.fp16 = summary.left_by_ratio = 6;
    CHECK(to_text(summary) == "12 linears: 6 INT8, 6 FP16 (ratio 6, explicit skip 0, no kernel 0)");
    summary.left_by_ratio = 0;
    summary.left_by_cost = 6;
    CHECK(to_text(summary) == "12 linears: 6 INT8, 6 FP16 (cost 6, explicit skip 0, no kernel 0)");
    summary = {};
    summary.linears = summary.int8 = 1;
    CHECK(to_text(summary) == "1 linear: 1 INT8, 0 FP16 (ratio 0, explicit skip 0, no kernel 0)");
}
