#include "planner/validate.h"

#include <catch2/catch.hpp>
#include <limits>

#include "octile/planner.h"
#include "tests/planner/build_layers.h"

using namespace octile;
using test::activation;
using test::layer_norm;
using test::linear;

namespace {

// The message of a list that has to be refused.
std::string refusal(const std::vector<Layer>& layers) {
    const Result<Plan> plan = make_plan({"model", layers}, {});
    CHECK_FALSE(plan.ok());
    CHECK(plan.status().code() == StatusCode::kInvalidArgument);
    CHECK(plan.status().message().find('\n') == std::string::npos);
    return plan.status().message();
}

Layer with(void (*change)(Layer&)) {
    Layer layer = linear("fc", 4, 8, 16);
    change(layer);
    return layer;
}

}  // namespace

TEST_CASE("An empty list is refused", "[validate]") {
    CHECK(refusal({}) == "the list holds no layers");
}

TEST_CASE("Extents outside 1..2^31-1 are refused by layer, row and field", "[validate]") {
    const Layer good = linear("first", 1, 1, 1);
    CHECK(refusal({good, with([](Layer& l) { l.m = 0; })}) ==
          "layer \"fc\" (row 2): m: expected 1 to 2147483647, found 0");
    CHECK(refusal({with([](Layer& l) { l.k = -3; })}) == "layer \"fc\" (row 1): k: expected 1 to 2147483647, found -3");
    CHECK(refusal({with([](Layer& l) { l.n = 1000000000000000000; })}) ==
          "layer \"fc\" (row 1): n: expected 1 to 2147483647, found 1000000000000000000");
    CHECK(refusal({with([](Layer& l) { l.k = kMaxExtent + 1; })}) ==
          "layer \"fc\" (row 1): k: expected 1 to 2147483647, found 2147483648");
    CHECK(refusal({with([](Layer& l) { l.count = 0; })}) ==
          "layer \"fc\" (row 1): count: expected 1 to 2147483647, found 0");
    CHECK(refusal({with([](Layer& l) { l.m = INT64_MIN; })}).find("found -9223372036854775808") != std::string::npos);
    CHECK(make_plan({"", {with([](Layer& l) { l.m = l.k = l.n = l.count = kMaxExtent; })}}, {}).ok());
    CHECK(make_plan({"", {linear("a", 1, 1, 1)}}, {}).ok());
}

TEST_CASE("Layers that contradict themselves are refused", "[validate]") {
    CHECK(refusal({with([](Layer& l) { l.op = Op::kLayerNorm; })}) ==
          "layer \"fc\" (row 1): n: expected k = 8 for layernorm, found 16");
    Layer act = activation("gelu", 4, 8, Activation::kGelu);
    act.n = 9;
    CHECK(refusal({act}) == "layer \"gelu\" (row 1): n: expected k = 8 for activation, found 9");
    CHECK(refusal({activation("act", 4, 8, Activation::kNone)}).find("act: expected a function") != std::string::npos);
    Layer norm = layer_norm("ln", 4, 8);
    norm.activation = Activation::kRelu;
    CHECK(refusal({norm}) == "layer \"ln\" (row 1): act: expected none for a layernorm, found \"relu\"");
}

TEST_CASE("Names have to be there, printable and not endless", "[validate]") {
    CHECK(refusal({linear("", 1, 1, 1)}).find("name: expected a name, found none") != std::string::npos);
    CHECK(refusal({linear("a\nb", 1, 1, 1)}).find("found \"a\\x0ab\"") != std::string::npos);
    CHECK(refusal({linear("\xff", 1, 1, 1)}).find("found \"\\xff\"") != std::string::npos);
    CHECK(refusal({linear("\x1b[31m", 1, 1, 1)}).find("\\x1b") != std::string::npos);
    CHECK(refusal({linear(std::string(kMaxNameLength + 1, 'a'), 1, 1, 1)}).size() < 300);
    CHECK(make_plan({"", {linear(std::string(kMaxNameLength, 'a'), 1, 1, 1)}}, {}).ok());
    CHECK(make_plan({"", {linear("größe→", 1, 1, 1)}}, {}).ok());
    CHECK(make_plan({"bad\tmodel", {linear("a", 1, 1, 1)}}, {}).status().message().find("model: ") == 0);
}

TEST_CASE("Inputs have to name one layer above", "[validate]") {
    CHECK(refusal({linear("a", 1, 1, 1), linear("b", 1, 1, 1, {"c"})}) ==
          "layer \"b\" (row 2): inputs: no layer is named \"c\"");
    CHECK(refusal({linear("a", 1, 1, 1, {"a"})}) ==
          "layer \"a\" (row 1): inputs: expected a layer above this row, found \"a\" (row 1)");
    // A cycle always has an edge that points down the list.
    CHECK(refusal({linear("a", 1, 1, 1), linear("b", 1, 1, 1, {"c"}), linear("c", 1, 1, 1, {"b"})}) ==
          "layer \"b\" (row 2): inputs: expected a layer above this row, found \"c\" (row 3)");
    CHECK(refusal({linear("a", 1, 1, 1), linear("a", 1, 1, 1), linear("b", 1, 1, 1, {"a"})}) ==
          "layer \"b\" (row 3): inputs: 2 layers are named \"a\"");
    CHECK(make_plan({"", {linear("a", 1, 1, 1), linear("a", 1, 1, 1)}}, {}).ok());
}

TEST_CASE("Edges are rows: the one above by default, those named otherwise", "[validate]") {
    const Result<Edges> edges = resolve_inputs(
        {linear("a", 1, 1, 1), linear("b", 1, 1, 1), linear("c", 1, 1, 1, {"a"}), linear("d", 1, 1, 1, {"c", "a"})});
    REQUIRE(edges.ok());
    CHECK(edges.value() == Edges{{}, {0}, {0}, {2, 0}});
}

TEST_CASE("A threshold that is no number is refused", "[validate]") {
    for (const double bad : {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        PlanOptions options;
        options.min_ratio = bad;
        CHECK(validate(options).code() == StatusCode::kInvalidArgument);
        CHECK(make_plan({"", {linear("a", 1, 1, 1)}}, options).status().message().find("min-ratio: expected") == 0);
    }
}
