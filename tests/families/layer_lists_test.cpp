// Lists with fewer rows never claim more than the whole list.
#include "families/layer_lists.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "octile/graph.h"

using namespace octile;

namespace {

Model layers(GraphBuilder g, std::vector<std::string> outputs) {
    Result<Graph> graph = std::move(g).finish(std::move(outputs));
    INFO(graph.status().message());
    REQUIRE(graph.ok());
    return layers_of(graph.value(), 8);
}

const Layer& row(const Model& model, const std::string& name) {
    for (const Layer& layer : model.layers)
        if (layer.name == name) return layer;
    FAIL("no row " << name);
    return model.layers.front();
}

}  // namespace

TEST_CASE("layer lists: who read a row that is gone reads what that read, if it says as much") {
    GraphBuilder g("net");
    const std::string x = g.values("x", 8), norm = g.layer_norm("norm", x, 1e-5);
    const std::string q = g.linear("q", norm, 8), k = g.linear("k", norm, 8), v = g.linear("v", norm, 8);
    const std::string o = g.linear("o", g.attention("attention", q, k, v, {.heads = 2}), 8);
    const std::string up = g.activation("gelu", g.linear("up", o, 16), Activation::kGelu);
    // A row of one other that is gone is not that other.
    const std::string alone = g.linear("alone", g.other("shuffled", "a shuffle", {norm}, 8), 8);
    const Model thin = linears_and_norms(layers(std::move(g), {up, alone}), false);
    CHECK(row(thin, "q").inputs == std::vector<std::string>{"norm"});
    CHECK(row(thin, "o").inputs == std::vector<std::string>{"q", "k", "v"});
    CHECK(row(thin, "up").inputs == std::vector<std::string>{"o"});
    CHECK(row(thin, "up").activation == Activation::kGelu);
    CHECK(row(thin, "alone").input_unknown);
    CHECK(thin.layers.size() == 7);
}

TEST_CASE("layer lists: what several linears read stays where it is asked for") {
    GraphBuilder g("net");
    const std::string norm = g.layer_norm("norm", g.values("x", 8), 1e-5);
    const std::string rows = g.other("rows", "the rows of an expert", {norm}, 8, Rows{.part = 2, .of = 4});
    const std::string a = g.linear("a", rows, 8), b = g.linear("b", rows, 8);
    const Model whole = layers(std::move(g), {a, b});
    CHECK(row(whole, "a").m == 4);
    const Model thin = linears_and_norms(whole, true);
    CHECK(row(thin, "a").inputs == std::vector<std::string>{"rows"});
    CHECK(row(thin, "b").inputs == std::vector<std::string>{"rows"});
    CHECK(row(linears_and_norms(whole, false), "b").input_unknown);
}

TEST_CASE("layer lists: blocks once, with a name for each kind") {
    GraphBuilder g("net");
    std::string x = g.values("x", 8);
    for (int block = 0; block < 4; block++)
        x = g.linear("layers." + std::to_string(block) + ".fc", x, block == 2 ? 16 : 8);
    const Model once = blocks_once(layers(std::move(g), {x}));
    REQUIRE(once.layers.size() == 4);  // the input, 8 to 8, 8 to 16, 16 to 8
    CHECK(row(once, "layers.*.fc").count == 2);
    CHECK(row(once, "layers.2.fc").n == 16);
    CHECK(row(once, "layers.3.fc").inputs == std::vector<std::string>{"layers.2.fc"});
}

TEST_CASE("layer lists: rows of a part are rounded up, and at least one") {
    for (const auto& [part, of, m] : std::vector<std::array<std::int64_t, 3>>{{1, 3, 3}, {8, 128, 1}, {4, 4, 8}}) {
        GraphBuilder g("net");
        const std::string x = g.other("rows", "some rows", {g.values("x", 4)}, 4, Rows{.part = part, .of = of});
        CHECK(layers(std::move(g), {x}).layers.back().m == m);
    }
    GraphBuilder g("net");
    const std::string y = g.linear("fc", g.values("x", 4, Rows{.unit = Rows::Unit::kFixed, .count = 197}), 4);
    Result<Graph> graph = std::move(g).finish({y});
    REQUIRE(graph.ok());
    CHECK(layers_of(graph.value(), 5).layers.back().m == 197);
    CHECK_FALSE(counts_tokens(graph.value()));
    CHECK(graph_from_json(to_json(graph.value())).value() == graph.value());
}
