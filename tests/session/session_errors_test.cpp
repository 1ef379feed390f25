// What a session refuses, and that it goes on afterwards.
#include "octile/session.h"

#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "tests/inputs/status_checks.h"
#include "tests/session/networks.h"
#include "tests/support/levels.h"

namespace octile::test {
namespace {

using Ids = std::vector<std::int32_t>;

struct Network {
    Graph graph;
    Plan plan = plan_of(graph, 0);
    RandomTensors tensors = RandomTensors(graph);
    IsaSet isas = usable_isas().value();
    std::shared_ptr<const Parameters> parameters =
        std::make_shared<const Parameters>(pack_parameters(graph, plan, tensors.lookup(), isas).value());

    Result<Session> create(const SessionOptions& options) const {
        return Session::create(graph, plan, parameters, options);
    }
};

TEST_CASE("what create refuses") {
    const Network network{decoder_graph({})};
    const auto error = [](const Result<Session>& session, const std::vector<std::string>& words) {
        require_error(session.status(), StatusCode::kInvalidArgument, words);
    };
    error(network.create({.max_rows = 0}), {"max_rows", "found 0"});
    error(network.create({.max_sequences = -1}), {"max_sequences", "-1"});
    error(network.create({.max_context = std::int64_t{1} << 40}), {"max_context"});
    require_error(network.create({.max_sequences = 1 << 24, .max_context = 1 << 24}).status(), StatusCode::kOutOfMemory,
                  {});
    DecoderSizes wide;
    wide.ffn = 160;
    error(Network{decoder_graph(wide)}.create({.max_rows = 1 << 24, .max_context = 1}),
          {"node \"layers.0.up_proj\"", "16777216 rows of 160 features", "2147483647"});
    error(Session::create(network.graph, network.plan, nullptr), {"parameters"});
    Graph spoiled = network.graph;
    spoiled.outputs = {"x"};
    error(Session::create(spoiled, network.plan, network.parameters), {"\"x\""});
    error(Session::create(network.graph, plan_of(encoder_graph({}), 0), network.parameters),
          {"node \"layers.0.q_proj\"", "a layer of the plan"});
    // FP16 in the plan, INT8 in the parameters.
    error(Session::create(network.graph, plan_of(network.graph, 1e9), network.parameters),
          {"node \"layers.0.q_proj\"", "a linear of fp16 from 48 to 64", "found a linear of int8"});
    error(Session::create(network.graph, network.plan, std::make_shared<const Parameters>()),
          {"node \"layers.0.q_proj\"", "found none"});

    Graph unfused = network.graph;
    for (Node& node : unfused.nodes)
        if (node.name == "layers.0.attention.sum") node.inputs = {node.inputs[1], node.inputs[1]};
    error(Session::create(unfused, network.plan, network.parameters), {"node \"layers.0.o_proj\"", "residual"});

    Graph mixed = network.graph;
    for (Node& node : mixed.nodes)
        if (node.name == "layers.1.attention") node.causal = false;
    error(Session::create(mixed, network.plan, network.parameters), {"layers.1.attention", "causal"});

    DecoderSizes narrow;
    narrow.heads = narrow.key_heads = 64;
    narrow.head = 2;
    error(Network{decoder_graph(narrow)}.create({.max_rows = 1 << 22, .max_context = 1}),
          {"node \"layers.0.attention\"", "4194304 rows of 64 heads of 16 features", "2147483647"});

    Network shared{modern_graph()};
    for (PlannedLayer& layer : shared.plan.layers)
        if (layer.layer.name == "layer.2.qkv") layer.precision = Precision::kFp16;
    error(Session::create(shared.graph, shared.plan, shared.parameters),
          {"node \"layer.2.qkv\"", "as \"layer.0.qkv\" is, whose weights it shares"});
    Network unbiased{modern_graph()};
    unbiased.tensors.erase("far");
    require_error(pack_parameters(unbiased.graph, unbiased.plan, unbiased.tensors.lookup(), unbiased.isas).status(),
                  StatusCode::kInvalidArgument, {"node \"layer.3.attention\"", "\"far\" [32, 1]"});
    require_error(network.create({.isas = IsaSet{}}).status(), StatusCode::kUnsupported, {"ISA levels"});
}

TEST_CASE("what run refuses") {
    const Network network{encoder_graph({})};
    Session session = network.create({.max_rows = 10, .max_sequences = 2}).value();
    std::vector<float> output(2 * 48);
    const auto run = [&](const Ids& lengths, const std::vector<SessionInput>& inputs,
                         const std::vector<SessionOutput>& outputs) { return session.run(lengths, inputs, outputs); };
    const Ids ids = {1, 2, 3, 4}, lengths = {3, 1};
    const std::vector<SessionInput> inputs = {{"token_ids", ids}};
    const std::vector<SessionOutput> outputs = {{"embedding", output}};
    const auto error = [](const Status& status, const std::vector<std::string>& words) {
        require_error(status, StatusCode::kInvalidArgument, words);
    };
    error(run({}, inputs, outputs), {"lengths", "1 to 2 sequences, found 0"});
    error(run({1, 1, 2}, inputs, outputs), {"found 3"});
    error(run({4, 0}, inputs, outputs), {"lengths[1]", "found 0"});
    error(run({9, 2}, inputs, outputs), {"at most 10 tokens in all, found 11"});
    error(run({2, 1}, inputs, outputs), {"\"token_ids\"", "3 indices", "found 4"});
    error(run(lengths, {}, outputs), {"\"token_ids\"", "found none"});
    error(run(lengths, {{"token_ids", ids}, {"words", ids}}, outputs), {"\"words\"", "no such input"});
    error(run(lengths, inputs, {}), {"\"embedding\"", "found none"});
    error(run(lengths, inputs, {{"embedding", std::span(output).first(48)}}), {"96 values, [2, 48], found 48"});
    error(run(lengths, inputs, {{"embedding", output}, {"pooled", output}}), {"\"pooled\"", "no such output"});
    const Ids wrong = {1, 50, 3, 4}, negative = {1, 2, 3, -4}, types = {0, 1, 2, 0};
    error(run(lengths, {{"token_ids", wrong}}, outputs),
          {"node \"embeddings\"", "\"token_ids\", row 1", "0 to 49, found 50"});
    error(run(lengths, {{"token_ids", negative}}, outputs), {"row 3", "found -4"});
    error(run(lengths, {{"token_ids", ids}, {"token_types", types}}, outputs), {"\"token_types\", row 2", "found 2"});
    REQUIRE(run(lengths, inputs, outputs).ok());

    // The table has 70 positions and begins at 2.
    Session longer = network.create({.max_rows = 100, .max_sequences = 1}).value();
    const Ids many(69, 1);
    error(longer.run(Ids{69}, std::vector<SessionInput>{{"token_ids", many}},
                     std::vector<SessionOutput>{{"embedding", std::span(output).first(48)}}),
          {"sequence 0: 69 tokens", "at most 68"});
}

TEST_CASE("a sequence that gets too long is refused and stays as it is") {
    const Network network{decoder_graph({})};
    Session session = network.create({.max_rows = 8, .max_sequences = 2, .max_context = 9}).value();
    std::vector<float> logits(2 * 60), again(2 * 60);
    const auto say = [&](const Ids& lengths, const Ids& ids, std::vector<float>& y) {
        return session.run(lengths, std::vector<SessionInput>{{"token_ids", ids}},
                           std::vector<SessionOutput>{{"lm_head", std::span(y).first(lengths.size() * 60)}});
    };
    REQUIRE(say({6, 2}, {1, 2, 3, 4, 5, 6, 7, 8}, logits).ok());
    require_error(say({4, 1}, {1, 2, 3, 4, 5}, again), StatusCode::kInvalidArgument,
                  {"lengths[0]", "at most 3", "behind the 6"});
    require_error(say({1, 1}, {1, 60}, again), StatusCode::kInvalidArgument, {"row 1"});
    CHECK(session.context(0) == 6);
    CHECK(session.context(1) == 2);
    session.reset(1);
    CHECK(session.context(1) == 0);
    session.reset();
    CHECK(session.context(0) == 0);
    REQUIRE(say({6, 2}, {1, 2, 3, 4, 5, 6, 7, 8}, again).ok());
    CHECK(again == logits);
}

TEST_CASE("NaN names the node and the row") {
    GraphBuilder g("mlp");
    const std::string x = g.values("x", 8);
    const std::string h = g.activation("act", g.linear("in", x, 16), Activation::kRelu);
    const Network network{std::move(g).finish({g.linear("out", h, 4)}).value()};
    Session session = network.create({.max_rows = 4}).value();
    std::vector<float> values(3 * 10, 0.5f), output(3 * 4);
    values[2 * 10 + 1] = std::numeric_limits<float>::quiet_NaN();
    const auto run = [&](const MatrixView& view) {
        return session.run(Ids{3}, std::vector<SessionInput>{{"x", {}, view}},
                           std::vector<SessionOutput>{{"out", output}});
    };
    require_error(run({values.data(), DataType::kF32, 3, 8, 10}), StatusCode::kNonFinite, {"node \"in\"", "row 2"});
    require_error(run({values.data(), DataType::kF32, 3, 7, 10}), StatusCode::kInvalidArgument,
                  {"\"x\"", "[3, 8] of f32, found [3, 7]"});
    require_error(run({values.data(), DataType::kF16, 3, 8, 10}), StatusCode::kInvalidArgument, {"f16"});
    require_error(run({values.data(), DataType::kF32, 3, 8, 5}), StatusCode::kInvalidArgument, {"row stride"});
    require_error(run({nullptr, DataType::kF32, 3, 8, 10}), StatusCode::kInvalidArgument, {"no data"});
    values[2 * 10 + 1] = 1;
    CHECK(run({values.data(), DataType::kF32, 3, 8, 10}).ok());
}

}  // namespace
}  // namespace octile::test
