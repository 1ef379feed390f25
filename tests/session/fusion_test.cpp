// What a plan fuses and what it does not have the same bits; values that are outputs and inputs at once.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "octile/session.h"
#include "tests/session/networks.h"
#include "tests/session/reference_run.h"
#include "tests/support/levels.h"
#include "tests/support/seed.h"

namespace octile::test {
namespace {

using Ids = std::vector<std::int32_t>;

Session session_of(const Graph& graph, const Plan& plan, const RandomTensors& tensors, const SessionOptions& options) {
    const IsaSet isas = usable_isas().value();
    Result<Parameters> parameters = pack_parameters(graph, plan, tensors.lookup(), isas);
    INFO(parameters.status().message());
    REQUIRE(parameters.ok());
    Result<Session> session =
        Session::create(graph, plan, std::make_shared<const Parameters>(std::move(parameters).value()), options);
    INFO(session.status().message());
    REQUIRE(session.ok());
    return std::move(session).value();
}

Ids some_ids(std::int64_t count) {
    Random random("ids");
    Ids ids;
    for (std::int64_t i = 0; i < count; i++)
        ids.push_back(static_cast<std::int32_t>(random.below(50)));
    return ids;
}

std::vector<float> run(Session& session, const Ids& lengths, const Ids& ids, std::size_t columns) {
    std::vector<float> output(lengths.size() * columns);
    const Status status = session.run(lengths, std::vector<SessionInput>{{"token_ids", ids}},
                                      std::vector<SessionOutput>{{session.graph().outputs[0], output}});
    INFO(status.message());
    REQUIRE(status.ok());
    return output;
}

Plan unfused(Plan plan) {
    for (PlannedLayer& layer : plan.layers) {
        layer.gate.clear();
        if (layer.layer.op != Op::kLinear) continue;
        layer.layer.activation = Activation::kNone;
        layer.layer.residual.clear();
    }
    return plan;
}

TEST_CASE("what a plan does not fuse runs by itself, with the same bits") {
    for (const Graph& graph : {encoder_graph({}), decoder_graph({})}) {
        const RandomTensors tensors(graph);
        const std::size_t columns = static_cast<std::size_t>(graph.nodes.back().features);
        for (const double ratio : {0.0, 1e9}) {
            const Plan plan = plan_of(graph, ratio);
            Session fused = session_of(graph, plan, tensors, {.max_rows = 40}),
                    single = session_of(graph, unfused(plan), tensors, {.max_rows = 40});
            CHECK(single.memory().values > fused.memory().values);
            for (const Ids& lengths : {Ids{30, 10}, Ids{1, 1}}) {
                const Ids ids = some_ids(lengths[0] + lengths[1]);
                CHECK(run(single, lengths, ids, columns) == run(fused, lengths, ids, columns));
            }
        }
    }
}

TEST_CASE("a residual that is ready before its own place in the graph") {
    GraphBuilder g("early");
    const std::string x = g.embedding("tokens", 32, {{"table", g.indices("token_ids"), 50}});
    const std::string a = g.linear("a", x, 32), b = g.linear("b", x, 32);
    const std::string first = g.add("first", a, x), activated = g.activation("act", b, Activation::kRelu),
                      second = g.add("second", activated, first);
    const Graph graph = std::move(g).finish({g.pool("mean", second, Pooling::kMean)}).value();
    const RandomTensors tensors(graph);
    const Plan plan = plan_of(graph, 0);
    CHECK(plan.layers[2].layer.residual == "a");
    Session session = session_of(graph, plan, tensors, {});
    const Ids ids = some_ids(7);
    CHECK(run(session, {7}, ids, 32) == ReferenceRun(graph, tensors).run({7}, {{"token_ids", ids}}).at("mean"));
}

// The gate in FP16 and the up projection in INT8 cannot be one linear.
TEST_CASE("a gated pair of two precisions") {
    const Graph graph = decoder_graph({});
    const RandomTensors tensors(graph);
    PlanOptions options;
    options.min_ratio = 0;
    options.forces = {{"gate_proj", Precision::kFp16}};
    const Plan plan = make_plan(layers_of(graph, 4), options).value();
    Plan single = unfused(plan);
    Session together = session_of(graph, plan, tensors, {}), apart = session_of(graph, single, tensors, {});
    const Ids ids = some_ids(20);
    CHECK(run(together, {20}, ids, 60) == run(apart, {20}, ids, 60));
}

TEST_CASE("outputs may be read by other nodes, and there may be several") {
    Graph graph = encoder_graph({});
    graph.outputs = {"layer.0.norm", "embedding", "layer.1.query"};
    const RandomTensors tensors(graph);
    Session session = session_of(graph, plan_of(graph, 0), tensors, {.max_rows = 40});
    const Ids lengths = {9, 21}, ids = some_ids(30);
    std::vector<float> middle(30 * 48), query(30 * 48), embedding(2 * 48);
    REQUIRE(session
                .run(lengths, std::vector<SessionInput>{{"token_ids", ids}},
                     std::vector<SessionOutput>{
                         {"embedding", embedding}, {"layer.1.query", query}, {"layer.0.norm", middle}})
                .ok());
    const auto expected = ReferenceRun(graph, tensors).run(lengths, {{"token_ids", ids}});
    CHECK(middle == expected.at("layer.0.norm"));
    CHECK(query == expected.at("layer.1.query"));
    CHECK(embedding == expected.at("embedding"));
}

// As in encoders of this decade: rotary positions, pooling of the first token, an RMS norm, no position table.
TEST_CASE("an encoder with rotary positions, and f32 input beside indices") {
    GraphBuilder g("rotary encoder");
    const std::string given = g.values("values", 64);
    std::string x = g.add("sum", given, g.embedding("tokens", 64, {{"table", g.indices("token_ids"), 50}}));
    const std::string y = g.rms_norm("norm", x, kEpsilon);
    const std::string q = g.linear("q", y, 64), k = g.linear("k", y, 32, false), v = g.linear("v", y, 32);
    x = g.add(
        "residual", x,
        g.linear("o", g.attention("attention", q, k, v, {.heads = 4, .key_heads = 2, .rotary = Rotary{160000}}), 64));
    const Graph graph = std::move(g).finish({g.pool("first", x, Pooling::kFirst)}).value();
    const RandomTensors tensors(graph);
    Session session = session_of(graph, plan_of(graph, 0), tensors, {.max_rows = 90});
    const Ids lengths = {40, 1, 33}, ids = some_ids(74);
    Random random("values");
    std::vector<float> values;
    for (int i = 0; i < 74 * 64; i++)
        values.push_back(random.normal());
    std::vector<float> output(3 * 64);
    REQUIRE(session
                .run(lengths,
                     std::vector<SessionInput>{{"token_ids", ids},
                                               {"values", {}, {values.data(), DataType::kF32, 74, 64, 64}}},
                     std::vector<SessionOutput>{{"first", output}})
                .ok());
    ReferenceRun reference(graph, tensors);
    reference.set_values("values", values);
    CHECK(output == reference.run(lengths, {{"token_ids", ids}}).at("first"));
}

}  // namespace
}  // namespace octile::test
