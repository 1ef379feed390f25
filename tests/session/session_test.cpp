// Whole networks: the bits of the reference on every ISA level and with any number of threads, in any cut of their
// sequences into calls.
#include "octile/session.h"

#include <catch2/catch.hpp>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/reference/hash.h"
#include "tests/session/networks.h"
#include "tests/session/reference_run.h"
#include "tests/support/levels.h"
#include "tests/support/process_settings.h"
#include "tests/support/seed.h"

namespace octile::test {
namespace {

std::vector<std::int32_t> random_ids(Random& random, std::int64_t count, std::int64_t below) {
    std::vector<std::int32_t> ids;
    for (std::int64_t i = 0; i < count; i++)
        ids.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(below))));
    return ids;
}

std::int64_t sum_of(const std::vector<std::int32_t>& lengths) {
    std::int64_t sum = 0;
    for (const std::int32_t length : lengths)
        sum += length;
    return sum;
}

Session make_session(const Graph& graph, const RandomTensors& tensors, double min_ratio, IsaSet isas,
                     SessionOptions options) {
    const Plan plan = plan_of(graph, min_ratio);
    Result<Parameters> parameters = pack_parameters(graph, plan, tensors.lookup(), isas);
    INFO(parameters.status().message());
    REQUIRE(parameters.ok());
    options.isas = isas;
    Result<Session> session =
        Session::create(graph, plan, std::make_shared<const Parameters>(std::move(parameters).value()), options);
    INFO(session.status().message());
    REQUIRE(session.ok());
    return std::move(session).value();
}

// Empty if the values agree in every bit.
std::string difference(const std::vector<float>& got, const std::vector<float>& wanted) {
    if (got.size() != wanted.size()) return "sizes differ";
    for (std::size_t i = 0; i < got.size(); i++) {
        if (std::bit_cast<std::uint32_t>(got[i]) == std::bit_cast<std::uint32_t>(wanted[i])) continue;
        std::ostringstream text;
        text.precision(9);
        text << "[" << i << "] is " << got[i] << ", expected " << wanted[i];
        return text.str();
    }
    return {};
}

// Runs a session and compares every value that it shows with the reference's.
class Compared {
  public:
    Compared(const Graph& graph, const RandomTensors& tensors, IsaSet isas, SessionOptions options)
        : graph_(graph), reference_(graph, tensors), session_(make(graph, tensors, isas, std::move(options))) {}

    std::vector<float> run(const std::vector<std::int32_t>& lengths, const ReferenceRun::Indices& indices) {
        const auto wanted = reference_.run(lengths, indices);
        const std::string& name = graph_.outputs[0];
        std::vector<float> output(wanted.at(name).size());
        std::vector<SessionInput> inputs;
        for (const auto& [input, values] : indices)
            inputs.push_back({input, values});
        const std::vector<SessionOutput> outputs = {{name, output}};
        seen_.clear();
        const Status status = session_.run(lengths, inputs, outputs);
        INFO(status.message());
        REQUIRE(status.ok());
        CHECK(seen_.contains(name));
        for (const auto& [node, values] : seen_) {
            INFO(node);
            CHECK(difference(values, wanted.at(node)) == "");
        }
        CHECK(difference(output, wanted.at(name)) == "");
        return output;
    }

    Session& session() { return session_; }
    std::size_t seen() const { return seen_.size(); }

  private:
    Session make(const Graph& graph, const RandomTensors& tensors, IsaSet isas, SessionOptions options) {
        options.observer = [this](const Node& node, const MatrixView& value) {
            const auto* data = static_cast<const float*>(value.data);
            seen_[node.name].assign(data, data + value.rows * value.columns);
        };
        return make_session(graph, tensors, 0, isas, std::move(options));
    }

    const Graph& graph_;
    ReferenceRun reference_;
    std::map<std::string, std::vector<float>> seen_;
    Session session_;
};

TEST_CASE("an encoder has the reference's bits in every node, on every level") {
    const EncoderSizes sizes;
    const Graph graph = encoder_graph(sizes);
    const RandomTensors tensors(graph);
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        for (const int thread_count : {1, 4}) {
            INFO(name_of(level.isa) << ", " << thread_count << " threads");
            const ThreadCount threads(thread_count);
            Compared compared(graph, tensors, level.isas, {.max_rows = 140, .max_sequences = 4});
            Random random("encoder");
            for (const std::vector<std::int32_t>& lengths :
                 std::vector<std::vector<std::int32_t>>{{1}, {5}, {33, 1, 16}, {68, 2, 32, 31}, {3, 3}}) {
                const std::int64_t rows = sum_of(lengths);
                ReferenceRun::Indices indices = {{"token_ids", random_ids(random, rows, sizes.vocabulary)}};
                if (lengths.size() != 2) indices["token_types"] = random_ids(random, rows, 2);
                compared.run(lengths, indices);
            }
            // Sums and activations in place of their linears: embedding and norm; q, k, v, attention, sum, norm,
            // activation, sum and norm of each block; pooling, normalization.
            CHECK(compared.seen() == static_cast<std::size_t>(2 + 9 * sizes.blocks + 2));
        }
    }
}

TEST_CASE("a decoder has the reference's bits in every node, from call to call") {
    for (const bool head_norms : {false, true}) {
        DecoderSizes sizes;
        sizes.head_norms = head_norms;
        const Graph graph = decoder_graph(sizes);
        const RandomTensors tensors(graph);
        for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
            INFO(name_of(level.isa));
            const ThreadCount threads(head_norms ? 4 : 1);
            Compared compared(graph, tensors, level.isas, {.max_rows = 60, .max_sequences = 2, .max_context = 90});
            Random random("decoder");
            for (const std::vector<std::int32_t>& lengths :
                 std::vector<std::vector<std::int32_t>>{{7, 40}, {1, 1}, {1, 1}, {30, 1}, {1, 5}, {1}, {1}})
                compared.run(lengths, {{"token_ids", random_ids(random, sum_of(lengths), sizes.vocabulary)}});
            CHECK(compared.session().context(0) == 42);
            CHECK(compared.session().context(1) == 48);
        }
    }
}

TEST_CASE("windows, biases by distance and what else is new have the reference's bits in every node") {
    const Graph graph = modern_graph();
    const RandomTensors tensors(graph);
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        for (const int thread_count : {1, 4}) {
            INFO(name_of(level.isa) << ", " << thread_count << " threads");
            const ThreadCount threads(thread_count);
            Compared compared(graph, tensors, level.isas, {.max_rows = 140, .max_sequences = 4});
            Random random("modern");
            for (const std::vector<std::int32_t>& lengths :
                 std::vector<std::vector<std::int32_t>>{{1}, {5}, {33, 1, 16}, {140}, {68, 2, 32, 31}})
                compared.run(lengths, {{"token_ids", random_ids(random, sum_of(lengths), 50)}});
            CHECK(compared.seen() > 60);
        }
    }
}

TEST_CASE("a decoder within a window has the reference's bits, from call to call") {
    DecoderSizes sizes;
    sizes.head = 10;
    Graph graph = decoder_graph(sizes);
    for (Node& node : graph.nodes)
        if (node.op == NodeOp::kAttention) node.window = node.name.starts_with("layers.0") ? 7 : 40;
    const RandomTensors tensors(graph);
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        INFO(name_of(level.isa));
        const ThreadCount threads(4);
        Compared compared(graph, tensors, level.isas, {.max_rows = 60, .max_sequences = 2, .max_context = 130});
        Random random("window");
        for (const std::vector<std::int32_t>& lengths :
             std::vector<std::vector<std::int32_t>>{{7, 40}, {1, 1}, {1, 1}, {30, 1}, {1, 45}, {1, 1}, {45, 1}})
            compared.run(lengths, {{"token_ids", random_ids(random, sum_of(lengths), sizes.vocabulary)}});
    }
}

TEST_CASE("a value that no observer asks for is the same") {
    const EncoderSizes sizes;
    const Graph graph = encoder_graph(sizes);
    const RandomTensors tensors(graph);
    Random random("unobserved");
    const std::vector<std::int32_t> lengths = {20, 12};
    const ReferenceRun::Indices indices = {{"token_ids", random_ids(random, 32, sizes.vocabulary)}};
    ReferenceRun reference(graph, tensors);
    const std::vector<float> wanted = reference.run(lengths, indices).at("embedding");
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        Session session = make_session(graph, tensors, 0, level.isas, {.max_rows = 32, .max_sequences = 2});
        std::vector<float> output(wanted.size());
        for (int i = 0; i < 2; i++) {
            const Status status =
                session.run(lengths, std::vector<SessionInput>{{"token_ids", indices.at("token_ids")}},
                            std::vector<SessionOutput>{{"embedding", output}});
            REQUIRE(status.ok());
            CHECK(difference(output, wanted) == "");
        }
    }
}

// What a network gives, once for all: changes only together with docs/quantization.md, and then CHANGELOG.md says so.
constexpr std::uint64_t kEncoderGolden = 0x0e17e41ef6c0d279, kDecoderGolden = 0xb3d8ea8c29c80bd8;

std::uint64_t hash_of(Session session, const std::string& output, std::int64_t columns) {
    reference::Hash hash;
    Random random("golden network");
    for (const std::vector<std::int32_t>& lengths :
         std::vector<std::vector<std::int32_t>>{{30, 7, 33}, {1, 2, 1}, {1}}) {
        const std::vector<std::int32_t> ids = random_ids(random, sum_of(lengths), 50);
        std::vector<float> values(lengths.size() * static_cast<std::size_t>(columns));
        REQUIRE(session
                    .run(lengths, std::vector<SessionInput>{{"token_ids", ids}},
                         std::vector<SessionOutput>{{output, values}})
                    .ok());
        for (const float value : values)
            hash.add(value);
    }
    return hash.value();
}

TEST_CASE("networks: the golden bits, on every level") {
    const Graph encoder = encoder_graph({}), decoder = decoder_graph({});
    const RandomTensors encoder_tensors(encoder), decoder_tensors(decoder);
    const SessionOptions options{.max_rows = 70, .max_sequences = 3, .max_context = 40};
    for (const Level& level : levels_with(KernelFamily::kGemmS8)) {
        const std::uint64_t one =
            hash_of(make_session(encoder, encoder_tensors, 0, level.isas, options), "embedding", 48);
        const std::uint64_t two =
            hash_of(make_session(decoder, decoder_tensors, 0, level.isas, options), "lm_head", 60);
        INFO(name_of(level.isa) << std::hex << ": 0x" << one << ", 0x" << two);
        CHECK(one == kEncoderGolden);
        CHECK(two == kDecoderGolden);
    }
}

}  // namespace
}  // namespace octile::test
