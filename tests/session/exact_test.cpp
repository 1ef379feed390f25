// Networks in INT8, in FP16 and with some of both, each node against double within a derived bound.
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "octile/session.h"
#include "tests/reference/graph_exact.h"
#include "tests/session/networks.h"
#include "tests/support/levels.h"
#include "tests/support/process_settings.h"

namespace octile::test {
namespace {

using reference::Bounded;
using reference::ExactGraph;

// Precisions of the linears, by the least ratio: every one INT8, those of the larger half, none.
constexpr double kRatios[] = {0, 27, 1e9};

TEST_CASE("every node of a network is within its bound of double") {
    DecoderSizes plain;
    plain.head_norms = false;
    plain.head = 32;
    for (const Graph& graph : {encoder_graph({}), decoder_graph({}), decoder_graph(plain), modern_graph()}) {
        const RandomTensors tensors(graph);
        for (const double ratio : kRatios) {
            const Plan plan = plan_of(graph, ratio);
            const PlanSummary summary = summarize(plan);
            CHECK((summary.int8 > 0) == (ratio < 1000));
            CHECK((summary.fp16 > 0) == (ratio > 0));
            for (const Level& level : levels_with(KernelFamily::kGemmF16)) {
                const ThreadCount threads(2);
                const auto parameters = std::make_shared<const Parameters>(
                    pack_parameters(graph, plan, tensors.lookup(), level.isas).value());
                ExactGraph::Seen seen;
                SessionOptions options{.max_rows = 80, .max_sequences = 2, .max_context = 100, .isas = level.isas};
                options.observer = [&](const Node& node, const MatrixView& value) {
                    const auto* data = static_cast<const float*>(value.data);
                    seen[node.name].assign(data, data + value.rows * value.columns);
                };
                Session session = Session::create(graph, plan, parameters, options).value();
                ExactGraph exact(
                    graph, plan, [&](const std::string& name) { return tensors.values(name); },
                    level.isa == Isa::kFp16 ? reference::Fp16Arithmetic::kF16 : reference::Fp16Arithmetic::kF32);
                Random random("exact");
                for (const std::vector<std::int32_t>& lengths :
                     std::vector<std::vector<std::int32_t>>{{40, 7}, {1, 1}, {5, 1}}) {
                    std::int64_t rows = 0;
                    for (const std::int32_t length : lengths)
                        rows += length;
                    ExactGraph::Indices indices;
                    for (std::int64_t i = 0; i < rows; i++)
                        indices["token_ids"].push_back(static_cast<std::int32_t>(random.below(50)));
                    const std::int64_t columns = graph.nodes.back().features;
                    std::vector<float> output(lengths.size() * static_cast<std::size_t>(columns));
                    seen.clear();
                    REQUIRE(session
                                .run(lengths, std::vector<SessionInput>{{"token_ids", indices["token_ids"]}},
                                     std::vector<SessionOutput>{{graph.outputs[0], output}})
                                .ok());
                    std::size_t checked = 0;
                    exact.check(lengths, indices, seen,
                                [&](const Node& node, const std::vector<float>& got, const Bounded& want) {
                                    INFO(graph.name << ", ratio " << ratio << ", " << name_of(level.isa) << ", node "
                                                    << node.name);
                                    REQUIRE(got.size() == want.size());
                                    std::size_t outside = 0;
                                    for (std::size_t i = 0; i < got.size(); i++) {
                                        const double off = std::abs(static_cast<double>(got[i]) - want.value[i]);
                                        outside += !(off <= want.error[i]);
                                        // A bound that says nothing proves nothing.
                                        checked += want.error[i] < 1 + std::abs(want.value[i]);
                                    }
                                    CHECK(outside == 0);
                                });
                    CHECK(checked > 40 * static_cast<std::size_t>(rows));
                }
            }
        }
    }
}

}  // namespace
}  // namespace octile::test
