// Graphs: what is a right one, their JSON, the planner's view, the parameters.
#include "octile/graph.h"

#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <string>

#include "tests/inputs/status_checks.h"
#include "tests/session/networks.h"
#include "tests/support/levels.h"

namespace octile::test {
namespace {

TEST_CASE("graphs survive JSON") {
    Graph named = encoder_graph({});
    named.name = "a \"quoted\" name";
    for (const Graph& graph : {encoder_graph({}), decoder_graph({}), modern_graph(), named}) {
        const Result<Graph> read = graph_from_json(to_json(graph));
        INFO(read.status().message());
        REQUIRE(read.ok());
        CHECK(read.value() == graph);
    }
}

std::string edited(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

TEST_CASE("JSON that is no graph is refused by its field") {
    const std::string text = to_json(encoder_graph({}));
    const auto error = [&](const std::string& from, const std::string& to, const std::vector<std::string>& words) {
        require_error(graph_from_json(edited(text, from, to)).status(), StatusCode::kParseError, words);
    };
    error("\"octile_graph\": 1", "\"octile_graph\": 3", {"octile_graph: expected an integer from 1 to 2, found 3"});
    error("\"features\": 48, \"tables\"", "\"tables\"", {"nodes[0].features: missing"});
    error("\"op\": \"layernorm\"", "\"op\": \"batchnorm\"", {"nodes[1].op: expected one of", "batchnorm"});
    error("\"rows\": 50", "\"rows\": 0", {"nodes[0].tables[0].rows: expected an integer from 1"});
    error("\"rows\": 50", "\"rows\": 50, \"more\": 1", {"nodes[0].tables[0]: unknown field \"more\""});
    error("\"heads\": 3", "\"heads\": \"3\"", {"nodes[5].heads: expected an integer", "\"3\""});
    error("\"rotary\": null", "\"rotary\": {\"theta\": 0.5}", {"nodes[5].rotary.theta: expected a number > 1"});
    error("\"causal\": false", "\"causal\": 0", {"nodes[5].causal: expected true or false, found 0"});
    error("\"outputs\": [", "\"outputs\": [7, ", {"outputs: expected an array of strings"});
    error("\"heads\": 3", "\"heads\": 5",
          {"\"layer.0.attention\"", "heads: expected a divisor of 48 features, found 5"});
    require_error(graph_from_json("[1]").status(), StatusCode::kParseError, {"graph", "an object"});
    require_error(graph_from_json("{").status(), StatusCode::kParseError, {});
}

TEST_CASE("a graph says the first version that has all of it") {
    CHECK(version_of(encoder_graph({})) == 1);
    CHECK(version_of(decoder_graph({})) == 1);
    const std::string text = to_json(modern_graph());
    CHECK(text.starts_with("{\"octile_graph\": 2,"));
    const auto error = [&](const std::string& from, const std::string& to, const std::vector<std::string>& words) {
        require_error(graph_from_json(edited(text, from, to)).status(), StatusCode::kParseError, words);
    };
    error("\"octile_graph\": 2", "\"octile_graph\": 1", {"octile_graph: expected 2", "found 1"});
    error("\"window\": 5", "\"window\": -1", {"window: expected an integer from 0", "-1"});
    error("\"buckets\": 8", "\"buckets\": 10", {"distance_bias.buckets: expected a multiple of 4", "10"});
    error("\"buckets\": 8", "\"buckets\": 512", {"distance_bias.buckets: expected an integer from 4 to 256", "512"});
    error("\"max_distance\": 20", "\"max_distance\": 2", {"distance_bias.max_distance: expected 3 to 32768, found 2"});
    error("\"first\": 96", "\"first\": 97", {"\"layer.0.v\"", "first: expected 48 columns within the 144", "97"});
    error("\"features\": 192", "\"features\": 191", {"\"pooled\"", "features: expected 192"});
    error("\"shared\": \"layer.0.qkv\"", "\"shared\": \"layer.1.qkv\"",
          {"\"layer.2.qkv\"", "shared: expected a linear above"});
    error("\"shared\": \"layer.0.qkv\"", "\"shared\": \"layer.2.qkv\"", {"shared: expected a linear above"});
    error("\"weighted_mean\"", "\"median\"", {"pooling: expected one of", "median"});
}

TEST_CASE("what is wrong with a graph is told by node and field") {
    const auto error = [](const Graph& base, const std::function<void(Graph&)>& spoil,
                          const std::vector<std::string>& words) {
        Graph graph = base;
        spoil(graph);
        require_error(validate(graph), StatusCode::kInvalidArgument, words);
    };
    const Graph encoder = encoder_graph({}), decoder = decoder_graph({});
    const auto node = [](Graph& graph, const std::string& name) -> Node& {
        for (Node& one : graph.nodes)
            if (one.name == name) return one;
        return graph.nodes.at(1000);
    };
    error(encoder, [&](Graph& g) { node(g, "layer.0.query").inputs = {"layer.1.query"}; },
          {"\"layer.0.query\"", "inputs", "a node above", "layer.1.query"});
    error(encoder, [&](Graph& g) { node(g, "layer.0.query").inputs = {"token_ids"}; },
          {"\"layer.0.query\"", "values", "the indices \"token_ids\""});
    error(encoder, [&](Graph& g) { node(g, "layer.0.key").name = "layer.0.query"; }, {"name: used twice"});
    error(encoder, [&](Graph& g) { node(g, "layer.0.query").weight.clear(); }, {"weight: expected a tensor"});
    error(encoder, [&](Graph& g) { node(g, "layer.0.query").features = 0; }, {"features: expected 1 to"});
    error(encoder, [&](Graph& g) { node(g, "layer.0.value").features = 32; },
          {"\"layer.0.attention\"", "3 heads of 16 features", "32"});
    error(encoder, [&](Graph& g) { node(g, "layer.0.ffn.sum").inputs[0] = "layer.0.ffn.act"; }, {"features", "80"});
    error(encoder, [&](Graph& g) { node(g, "layer.0.ffn.act").activation = Activation::kNone; }, {"activation"});
    error(encoder, [&](Graph& g) { node(g, "layer.0.norm").epsilon = std::numeric_limits<double>::infinity(); },
          {"epsilon: expected a number >= 0, found inf"});
    error(encoder, [&](Graph& g) { node(g, "layer.0.attention").scale = 0; }, {"scale: expected a number > 0"});
    error(encoder, [&](Graph& g) { node(g, "embeddings").tables[0].index = "nothing"; },
          {"tables[0].index: expected an input of indices", "nothing"});
    error(encoder, [&](Graph& g) { node(g, "embeddings").tables[1].offset = 70; }, {"tables[1].offset"});
    error(encoder, [&](Graph& g) { node(g, "embeddings").tables[0].rows = 1 << 30; },
          {"tables[0].rows: expected at most 2147483647 elements"});
    error(encoder, [&](Graph& g) { node(g, "embeddings").tables.clear(); }, {"tables: expected at least one"});
    error(encoder, [&](Graph& g) { g.outputs = {"nobody"}; }, {"\"nobody\"", "expected a node"});
    error(encoder, [&](Graph& g) { g.outputs.clear(); }, {"outputs"});
    error(encoder, [&](Graph& g) { g.outputs.push_back(g.outputs[0]); }, {"named twice"});
    error(encoder, [&](Graph& g) { g.inputs[0].name = "token_types"; }, {"name: used twice"});
    error(encoder,
          [&](Graph& g) {
              g.nodes.push_back({"late", NodeOp::kAdd, {"embedding", "embeddings"}, 48});
          },
          {"rows of one kind, found tokens and sequences"});
    error(decoder, [&](Graph& g) { node(g, "layers.0.attention").key_heads = 3; }, {"key_heads", "32 features"});
    error(decoder, [&](Graph& g) { node(g, "layers.0.q_norm").heads = 5; }, {"heads: expected a divisor of 64"});
    error(decoder, [&](Graph& g) { node(g, "layers.0.attention").rotary->scaling->high_frequency = 1; },
          {"rotary.high_frequency: expected a number > 1"});
    error(decoder, [&](Graph& g) { node(g, "layers.0.input_norm").bias = "b"; }, {"bias: expected none for rmsnorm"});
}

const PlannedLayer& layer_of(const Plan& plan, const std::string& name) {
    for (const PlannedLayer& layer : plan.layers)
        if (layer.layer.name == name) return layer;
    FAIL("no layer " << name);
    return plan.layers[0];
}

TEST_CASE("the planner fuses what a graph's layers say") {
    const Plan encoder = plan_of(encoder_graph({}), 0);
    CHECK(layer_of(encoder, "layer.0.ffn.in").layer.activation == Activation::kGelu);
    CHECK(layer_of(encoder, "layer.0.ffn.out").layer.residual == "layer.0.attention.norm");
    CHECK(layer_of(encoder, "layer.0.attention.dense").layer.residual == "embeddings.norm");
    for (const char* name : {"query", "key", "value", "ffn.in"})
        CHECK(layer_of(encoder, std::string("layer.1.") + name).panel == InputPanel::kNorm);
    CHECK(layer_of(encoder, "layer.1.attention.dense").panel == InputPanel::kOwn);

    const Plan decoder = plan_of(decoder_graph({}), 0);
    CHECK(layer_of(decoder, "layers.0.up_proj").gate == "layers.0.gate_proj");
    CHECK(layer_of(decoder, "layers.0.gate_proj").layer.activation == Activation::kSilu);
    CHECK(layer_of(decoder, "layers.0.o_proj").layer.residual == "tokens");
    CHECK(layer_of(decoder, "layers.1.down_proj").layer.residual == "layers.1.o_proj");
    CHECK(layer_of(decoder, "layers.1.q_proj").panel_from == "layers.1.input_norm");
    CHECK(layer_of(decoder, "layers.1.attention").layer.op == Op::kOther);
    CHECK(plan_from_json(to_json(decoder)).value() == decoder);
}

TEST_CASE("parameters: a gated pair under the up projection's name, everything else under its own") {
    const Graph graph = decoder_graph({});
    const RandomTensors tensors(graph);
    const IsaSet isas = usable_isas().value();
    const Parameters parameters = pack_parameters(graph, plan_of(graph, 0), tensors.lookup(), isas).value();
    CHECK(parameters.linear("layers.0.gate_proj") == nullptr);
    REQUIRE(parameters.linear("layers.0.up_proj"));
    CHECK(parameters.linear("layers.0.up_proj")->gated());
    CHECK(parameters.linear("layers.0.up_proj")->activation() == Activation::kSilu);
    REQUIRE(parameters.linear("lm_head"));
    CHECK(parameters.tensor("tokens.weight"));
    CHECK(parameters.tensor("layers.1.q_norm.weight")->columns == 16);
    CHECK(parameters.linears().size() == 2 * 6 + 1);

    // One of the pair stays FP16: two linears.
    PlanOptions options;
    options.min_ratio = 0;
    options.forces = {{"gate_proj", Precision::kFp16}};
    const Plan mixed = make_plan(layers_of(graph, 4), options).value();
    const Parameters two = pack_parameters(graph, mixed, tensors.lookup(), isas).value();
    CHECK(two.linear("layers.0.gate_proj")->activation() == Activation::kSilu);
    CHECK_FALSE(two.linear("layers.0.up_proj")->gated());
}

TEST_CASE("parameters that cannot be packed name node and tensor") {
    const Graph graph = decoder_graph({});
    const Plan plan = plan_of(graph, 0);
    const IsaSet isas = usable_isas().value();
    const auto without = [&](const std::string& name) {
        RandomTensors tensors(graph);
        tensors.erase(name);
        return pack_parameters(graph, plan, tensors.lookup(), isas).status();
    };
    require_error(without("layers.0.q_proj.weight"), StatusCode::kInvalidArgument,
                  {"node \"layers.0.q_proj\"", "\"layers.0.q_proj.weight\" [64, 48]", "found none"});
    require_error(without("layers.1.post_norm.weight"), StatusCode::kInvalidArgument,
                  {"node \"layers.1.post_norm\"", "[1, 48]"});
    require_error(without("layers.1.v_proj.bias"), StatusCode::kInvalidArgument, {"layers.1.v_proj.bias"});
    DecoderSizes other;
    other.ffn = 64;
    const RandomTensors tensors(decoder_graph(other));
    require_error(pack_parameters(graph, plan, tensors.lookup(), isas).status(), StatusCode::kInvalidArgument,
                  {"expected a tensor", "[48, 96]", "found [48, 64] of f32"});
    require_error(
        pack_parameters(graph, plan_of(decoder_graph(other), 0), RandomTensors(graph).lookup(), isas).status(),
        StatusCode::kInvalidArgument, {"gate_proj", "from 48 to 96 features in the plan", "48 to 64"});
}

}  // namespace
}  // namespace octile::test
