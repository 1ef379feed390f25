// Networks that run from a packed file: the bits of the same network packed in memory.
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "octile/packed_model.h"
#include "octile/session.h"
#include "tests/inputs/temp_folder.h"
#include "tests/packed/packed_network.h"

namespace octile::test {
namespace {

std::vector<float> run(Session& session, const std::vector<std::int32_t>& lengths, std::int64_t features) {
    std::vector<std::int32_t> ids;
    for (const std::int32_t length : lengths)
        for (std::int32_t i = 0; i < length; i++)
            ids.push_back((7 * i + length) % 50);
    std::vector<float> out(lengths.size() * static_cast<std::size_t>(features));
    const std::string& output = session.graph().outputs.front();
    const Status status = session.run(lengths, {{{"token_ids", ids, {}}}}, {{{output, out}}});
    INFO(status.message());
    REQUIRE(status.ok());
    return out;
}

Session must(Result<Session> session) {
    INFO(session.status().message());
    REQUIRE(session.ok());
    return std::move(session).value();
}

void check(const Graph& graph, std::int64_t features) {
    const TempFolder folder;
    const RandomTensors tensors(graph);
    Plan int4 = plan_of(graph, 0);
    for (PlannedLayer& planned : int4.layers)
        if (planned.precision == Precision::kInt8) planned.precision = Precision::kInt4;
    // All INT8, some, none; all INT4.
    for (const Plan& plan : {plan_of(graph, 0), plan_of(graph, 25), plan_of(graph, 1e9), int4}) {
        const auto path = folder.path() / "net.octile";
        const Status written = write_packed(graph, plan, path);
        INFO(written.message());
        REQUIRE(written.ok());

        const Result<PackedModel> model = PackedModel::open(path, supported_isas());
        INFO(model.status().message());
        REQUIRE(model.ok());
        const Result<Graph> stored = graph_from_json(model->graph());
        REQUIRE(stored.ok());
        CHECK(stored.value() == graph);
        Result<Parameters> in_memory = pack_parameters(graph, plan, tensors.lookup(), supported_isas());
        REQUIRE(in_memory.ok());
        Session expected =
            must(Session::create(graph, plan, std::make_shared<const Parameters>(std::move(in_memory).value()), {}));
        Session session = must(Session::create(stored.value(), model->plan(), model->parameters(), {}));
        for (const std::vector<std::int32_t>& lengths : {std::vector<std::int32_t>{5}, {1, 9, 3}, {1, 1, 1}}) {
            INFO(to_text(summarize(plan)) << ", " << lengths.size() << " sequences");
            const std::vector<float> a = run(session, lengths, features), b = run(expected, lengths, features);
            CHECK(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
            session.reset();
            expected.reset();
        }
    }
}

TEST_CASE("packed session: an encoder") {
    check(encoder_graph({}), EncoderSizes{}.hidden);
}

TEST_CASE("packed session: windows, biases by distance, and linears that share their weights") {
    check(modern_graph(), 3);
}

TEST_CASE("packed session: a decoder with gates, norms of heads and a tied head") {
    check(decoder_graph({}), DecoderSizes{}.vocabulary);
}

}  // namespace
}  // namespace octile::test
