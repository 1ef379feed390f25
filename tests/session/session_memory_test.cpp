// create() takes all memory: no call of run() takes any. And sessions in threads share their parameters alone.
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "octile/session.h"
#include "tests/runtime/heap.h"
#include "tests/session/networks.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"

namespace octile::test {
namespace {

struct Call {
    std::vector<std::int32_t> lengths, ids;
    std::vector<float> output;
    std::vector<SessionInput> inputs;
    std::vector<SessionOutput> outputs;

    Call(const Graph& graph, const std::vector<std::int32_t>& of, std::int64_t features) : lengths(of) {
        Random random("call");
        for (const std::int32_t length : lengths)
            for (std::int32_t i = 0; i < length; i++)
                ids.push_back(static_cast<std::int32_t>(random.below(50)));
        output.resize(lengths.size() * static_cast<std::size_t>(features));
        inputs = {{"token_ids", ids}};
        outputs = {{graph.outputs[0], output}};
    }
};

std::shared_ptr<const Parameters> pack(const Graph& graph, const Plan& plan, const RandomTensors& tensors) {
    return std::make_shared<const Parameters>(
        pack_parameters(graph, plan, tensors.lookup(), usable_isas().value()).value());
}

TEST_CASE("no call allocates, not even the first") {
    // Large enough for pieces of work on several threads; ffn.out's strips are wide.
    const EncoderSizes encoder{.hidden = 192, .ffn = 512, .heads = 3, .blocks = 2, .vocabulary = 50, .positions = 200};
    const DecoderSizes decoder{.hidden = 192, .ffn = 512, .heads = 8, .key_heads = 2, .head = 32, .vocabulary = 60};
    for (const double min_ratio : {0.0, 1e9, 120.0}) {
        for (const int thread_count : {1, 4}) {
            const ThreadCount threads(thread_count);
            for (const Graph& graph : {encoder_graph(encoder), decoder_graph(decoder), modern_graph()}) {
                const std::int64_t features = graph.nodes.back().features;
                const RandomTensors tensors(graph);
                const Plan plan = plan_of(graph, min_ratio);
                const auto parameters = pack(graph, plan, tensors);
                const SessionOptions options{.max_rows = 150, .max_sequences = 3, .max_context = 300};
                // The first loop on several threads starts them.
                Session first = Session::create(graph, plan, parameters, options).value();
                Call warm(graph, {150}, features);
                REQUIRE(first.run(warm.lengths, warm.inputs, warm.outputs).ok());

                Session session = Session::create(graph, plan, parameters, options).value();
                for (const std::vector<std::int32_t>& lengths :
                     std::vector<std::vector<std::int32_t>>{{1}, {100, 20, 30}, {1, 1, 1}, {150}, {7, 8}}) {
                    Call call(graph, lengths, features);
                    const int before = allocations();
                    const Status status = session.run(call.lengths, call.inputs, call.outputs);
                    const int during = allocations() - before;
                    INFO(graph.name << ", ratio " << min_ratio << ", " << thread_count
                                    << " threads: " << status.message());
                    REQUIRE(status.ok());
                    CHECK(during == 0);
                }
            }
        }
    }
}

TEST_CASE("sessions in threads at once give what each gives alone") {
    const Graph graph = decoder_graph({});
    const RandomTensors tensors(graph);
    const Plan plan = plan_of(graph, 0);
    const auto parameters = pack(graph, plan, tensors);
    const auto run = [&](std::vector<float>& logits) {
        Result<Session> session = Session::create(graph, plan, parameters, {.max_rows = 40, .max_context = 80});
        if (!session.ok()) return false;
        for (const std::vector<std::int32_t>& lengths : std::vector<std::vector<std::int32_t>>{{40}, {1}, {1}, {20}}) {
            Call call(graph, lengths, 60);
            if (!session->run(call.lengths, call.inputs, call.outputs).ok()) return false;
            logits = call.output;
        }
        return true;
    };
    std::vector<float> alone;
    REQUIRE(run(alone));
    std::vector<std::vector<float>> results(4);
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (std::vector<float>& result : results) {
        threads.emplace_back([&] {
            for (int i = 0; i < 10; i++)
                good += run(result);
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    CHECK(good == 40);
    for (const std::vector<float>& result : results)
        CHECK(result == alone);
}

TEST_CASE("a full heap is an error like any other") {
    const Graph graph = encoder_graph({});
    const RandomTensors tensors(graph);
    const Plan plan = plan_of(graph, 0);
    const auto parameters = pack(graph, plan, tensors);
    const FullHeap full(std::size_t{1} << 20);
    const Result<Session> session = Session::create(graph, plan, parameters, {.max_rows = 100000});
    CHECK(session.status().code() == StatusCode::kOutOfMemory);
}

}  // namespace
}  // namespace octile::test
