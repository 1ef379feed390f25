#include "planner/fusion.h"

#include <catch2/catch.hpp>

#include "octile/plan.h"
#include "tests/planner/build_layers.h"

using namespace octile;
using test::activation;
using test::layer_norm;
using test::linear;

namespace {

std::vector<FusedRow> fused(const std::vector<Layer>& layers) {
    const Result<Edges> edges = resolve_inputs(layers);
    INFO(edges.status().message());
    REQUIRE(edges.ok());
    return fuse(layers, edges.value());
}

std::vector<std::string> names(const std::vector<FusedRow>& rows) {
    std::vector<std::string> result;
    for (const FusedRow& row : rows)
        result.push_back(row.layer.name);
    return result;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("A linear absorbs the activation behind it", "[fusion]") {
    const auto rows =
        fused({linear("fc1", 4, 8, 16), activation("gelu", 4, 16, Activation::kGelu), linear("fc2", 4, 16, 8)});
    REQUIRE(names(rows) == Names{"fc1", "fc2"});
    CHECK(rows[0].layer.activation == Activation::kGelu);
    CHECK(rows[0].layer.k == 8);
    CHECK(rows[0].layer.n == 16);
    CHECK(rows[0].replaces == Names{"fc1", "gelu"});
    CHECK(rows[1].layer.inputs.empty());  // still reads the row above, which is now fc1
    CHECK(rows[1].layer.activation == Activation::kNone);
    CHECK(rows[1].replaces == Names{"fc2"});
}

TEST_CASE("Whoever named the activation reads the linear now", "[fusion]") {
    const auto rows =
        fused({linear("fc1", 4, 8, 16), activation("relu", 4, 16, Activation::kRelu), linear("a", 4, 16, 8, {"relu"}),
               linear("b", 4, 16, 8, {"relu"}), linear("c", 4, 8, 8, {"a", "b"})});
    REQUIRE(names(rows) == Names{"fc1", "a", "b", "c"});
    CHECK(rows[1].layer.inputs == Names{"fc1"});
    CHECK(rows[2].layer.inputs == Names{"fc1"});
    CHECK(rows[3].layer.inputs == Names{"a", "b"});
}

TEST_CASE("An activation further down moves up, and what followed it still reads it", "[fusion]") {
    const auto rows = fused({linear("fc1", 4, 8, 16), layer_norm("x", 4, 16, {"fc1"}), linear("up", 4, 16, 32, {"x"}),
                             linear("gate", 4, 16, 32, {"x"}), activation("silu", 4, 32, Activation::kSilu, {"up"}),
                             linear("down", 4, 32, 16)});
    REQUIRE(names(rows) == Names{"fc1", "x", "up", "gate", "down"});
    CHECK(rows[2].layer.activation == Activation::kSilu);
    CHECK(rows[3].layer.activation == Activation::kNone);
    CHECK(rows[4].layer.inputs == Names{"up"});  // not the row above it, gate
}

TEST_CASE("A linear that something else reads too is not fused", "[fusion]") {
    const auto rows =
        fused({linear("fc", 4, 8, 16), activation("gelu", 4, 16, Activation::kGelu), linear("tap", 4, 16, 8, {"fc"})});
    CHECK(names(rows) == Names{"fc", "gelu", "tap"});
    CHECK(rows[0].layer.activation == Activation::kNone);

    const auto twice = fused({linear("fc", 4, 8, 16), activation("a", 4, 16, Activation::kGelu, {"fc"}),
                              activation("b", 4, 16, Activation::kSilu, {"fc"})});
    CHECK(names(twice) == Names{"fc", "a", "b"});
}

TEST_CASE("An activation that reads something else too is not fused", "[fusion]") {
    const auto rows = fused(
        {linear("a", 4, 8, 16), linear("b", 4, 16, 16), activation("gelu", 4, 16, Activation::kGelu, {"a", "b"})});
    CHECK(names(rows) == Names{"a", "b", "gelu"});
    const auto other_order = fused(
        {linear("a", 4, 8, 16), linear("b", 4, 16, 16), activation("gelu", 4, 16, Activation::kGelu, {"b", "a"})});
    CHECK(names(other_order) == Names{"a", "b", "gelu"});
    const auto doubled = fused({linear("a", 4, 8, 16), activation("gelu", 4, 16, Activation::kGelu, {"a", "a"})});
    CHECK(names(doubled) == Names{"a", "gelu"});
}

TEST_CASE("A linear takes one activation only", "[fusion]") {
    const auto rows = fused({linear("fc", 4, 8, 16), activation("gelu", 4, 16, Activation::kGelu),
                             activation("relu", 4, 16, Activation::kRelu)});
    REQUIRE(names(rows) == Names{"fc", "relu"});
    CHECK(rows[0].layer.activation == Activation::kGelu);
    CHECK(rows[1].layer.activation == Activation::kRelu);

    Layer with_activation = linear("fc", 4, 8, 16);
    with_activation.activation = Activation::kRelu;
    const auto kept = fused({with_activation, activation("gelu", 4, 16, Activation::kGelu)});
    REQUIRE(names(kept) == Names{"fc", "gelu"});
    CHECK(kept[0].layer.activation == Activation::kRelu);
}

TEST_CASE("Shapes and counts have to agree", "[fusion]") {
    Layer gelu = activation("gelu", 4, 16, Activation::kGelu);
    CHECK(fused({linear("fc", 4, 8, 16), gelu}).size() == 1);
    CHECK(fused({linear("fc", 5, 8, 16), gelu}).size() == 2);
    CHECK(fused({linear("fc", 4, 8, 17), gelu}).size() == 2);
    gelu.count = 2;
    CHECK(fused({linear("fc", 4, 8, 16), gelu}).size() == 2);
}

TEST_CASE("Nothing but a linear absorbs an activation", "[fusion]") {
    const auto rows = fused({layer_norm("ln", 4, 16), activation("gelu", 4, 16, Activation::kGelu)});
    CHECK(names(rows) == Names{"ln", "gelu"});
    CHECK(rows[0].layer.activation == Activation::kNone);
    CHECK(names(fused({activation("gelu", 4, 16, Activation::kGelu)})) == Names{"gelu"});
}

TEST_CASE("Repeated names fuse where no name is needed", "[fusion]") {
    const auto rows = fused({linear("fc", 4, 16, 16), activation("gelu", 4, 16, Activation::kGelu),
                             linear("fc", 4, 16, 16), activation("gelu", 4, 16, Activation::kGelu)});
    REQUIRE(names(rows) == Names{"fc", "fc"});
    CHECK(rows[0].layer.activation == Activation::kGelu);
    CHECK(rows[1].layer.activation == Activation::kGelu);

    // "a" reads "gelu" by name; after fusion it would have to say which of two "fc" it reads.
    const auto kept = fused({linear("fc", 4, 16, 16), activation("gelu", 4, 16, Activation::kGelu),
                             linear("fc", 4, 16, 16), linear("a", 4, 16, 16, {"gelu"})});
    CHECK(names(kept) == Names{"fc", "gelu", "fc", "a"});
}

TEST_CASE("Fusion keeps who reads whom, in 1,000 random lists", "[fusion]") {
    std::mt19937 random(20251);
    std::size_t absorbed = 0;
    for (int i = 0; i < 1000; ++i) {
        const Model model = test::random_model(random);
        const Result<Edges> before = resolve_inputs(model.layers);
        REQUIRE(before.ok());
        const std::vector<FusedRow> rows = fuse(model.layers, before.value());
        absorbed += model.layers.size() - rows.size();

        std::vector<Layer> layers;
        for (const FusedRow& row : rows)
            layers.push_back(row.layer);
        const Result<Edges> after = resolve_inputs(layers);
        INFO(after.status().message());
        REQUIRE(after.ok());

        // Replay: the rows keep their order, and each absorbed activation belongs to the linear that it read.
        std::vector<std::size_t> place(model.layers.size());
        std::vector<bool> gone(model.layers.size());
        std::size_t next = 0;
        for (std::size_t row = 0; row < model.layers.size(); ++row) {
            const bool kept = next < rows.size() && rows[next].layer.name == model.layers[row].name &&
                              rows[next].layer.op == model.layers[row].op && rows[next].layer.k == model.layers[row].k;
            gone[row] = !kept;
            if (!kept) REQUIRE(before.value()[row].size() == 1);
            place[row] = kept ? next++ : place[before.value()[row].at(0)];
        }
        REQUIRE(next == rows.size());
        for (std::size_t row = 0; row < model.layers.size(); ++row) {
            if (gone[row]) continue;
            std::vector<std::size_t> expected;
            for (const std::size_t source : before.value()[row])
                expected.push_back(place[source]);
            CHECK(after.value()[place[row]] == expected);
        }
    }
    CHECK(absorbed > 50);
}

namespace {

Layer add(std::string name, std::int64_t m, std::int64_t n, std::vector<std::string> inputs) {
    Layer layer = linear(std::move(name), m, n, n, std::move(inputs));
    layer.op = Op::kAdd;
    return layer;
}

}  // namespace

TEST_CASE("A linear absorbs the residual addition behind it", "[fusion]") {
    const auto rows =
        fused({layer_norm("ln", 4, 8), linear("up", 4, 8, 16), activation("gelu", 4, 16, Activation::kGelu),
               linear("down", 4, 16, 8), add("sum", 4, 8, {"ln", "down"}), layer_norm("next", 4, 8)});
    REQUIRE(names(rows) == Names{"ln", "up", "down", "next"});
    CHECK(rows[2].layer.residual == "ln");
    CHECK(rows[2].replaces == Names{"down", "sum"});
    CHECK(rows[3].sources == std::vector<std::size_t>{2});
    PlannedLayer planned;
    planned.layer = rows[2].layer;
    CHECK(fused_form(planned) == "FusedLinear(16→8, residual)");
}

TEST_CASE("The order of activation and addition is kept", "[fusion]") {
    const auto before = fused({linear("a", 4, 8, 8), linear("b", 4, 8, 8), activation("relu", 4, 8, Activation::kRelu),
                               add("sum", 4, 8, {"a", "relu"})});
    REQUIRE(names(before) == Names{"a", "b"});
    CHECK(before[1].layer.activation == Activation::kRelu);
    CHECK(before[1].layer.residual == "a");
    CHECK(before[1].replaces == Names{"b", "relu", "sum"});
    const auto after = fused({linear("a", 4, 8, 8), linear("b", 4, 8, 8), add("sum", 4, 8, {"a", "b"}),
                              activation("relu", 4, 8, Activation::kRelu)});
    REQUIRE(names(after) == Names{"a", "b", "relu"});
    CHECK(after[1].layer.activation == Activation::kNone);
    CHECK(after[1].layer.residual == "a");
}

TEST_CASE("An addition stays where a linear cannot take it in", "[fusion]") {
    // Somebody else reads the linear; both sides are one; shapes differ; it has a residual already.
    CHECK(names(fused({linear("a", 4, 8, 8), linear("b", 4, 8, 8), add("sum", 4, 8, {"a", "b"}),
                       linear("c", 4, 8, 8, {"b"})})) == Names{"a", "b", "sum", "c"});
    CHECK(names(fused({linear("a", 4, 8, 8), add("twice", 4, 8, {"a", "a"})})) == Names{"a", "twice"});
    CHECK(names(fused({linear("a", 4, 8, 8), linear("b", 2, 8, 8), add("sum", 4, 8, {"a", "b"})})) ==
          Names{"a", "b", "sum"});
    CHECK(names(fused({linear("a", 4, 8, 8), linear("b", 4, 8, 8), add("sum", 4, 8, {"a", "b"}),
                       add("again", 4, 8, {"a", "sum"})})) == Names{"a", "b", "again"});
    CHECK(names(fused({linear("a", 4, 8, 8), layer_norm("b", 4, 8), add("sum", 4, 8, {"a", "b"})})) ==
          Names{"a", "b", "sum"});
}

TEST_CASE("What an absorbed row was a residual of is named anew", "[fusion]") {
    Layer last = linear("last", 4, 8, 8);
    last.residual = "relu";
    const auto rows =
        fused({linear("a", 4, 8, 8), activation("relu", 4, 8, Activation::kRelu), linear("b", 4, 8, 8), last});
    // The activation has two readers, and the linear in front of it one.
    REQUIRE(names(rows) == Names{"a", "b", "last"});
    CHECK(rows[2].layer.residual == "a");
}
