// Networks of every family with random weights, from their files to what they yield: planned, quantized, packed, run
// from the packed file, and compared with what transformers computed (tools/make_network_cases.py).
//
//   OCTILE_NETWORK_CASES=FOLDER octile_networks_tests     other cases than the repository's
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "inputs/checkpoint_network.h"
#include "octile/packed_model.h"
#include "octile/planner.h"
#include "octile/session.h"
#include "quantize/graph_of.h"
#include "quantize/quantize.h"
#include "tests/inputs/temp_folder.h"

namespace octile::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What a network may be off, by the precision of all its linears.
struct Claim {
    double least_ratio;  // of the planner's policy
    const char* precision;
    double least_cosine;
};
constexpr Claim kClaims[] = {{1e9, "fp16", 0.9999}, {0, "int8", 0.99}};

fs::path cases_folder() {
    const char* other = std::getenv("OCTILE_NETWORK_CASES");
    return other ? fs::path(other) : fs::path(OCTILE_NETWORK_CASES_FOLDER);
}

json read_json_file(const fs::path& path) {
    std::ifstream file(path);
    INFO(path);
    REQUIRE(file.good());
    return json::parse(file);
}

template <typename Value>
Value must(Result<Value> result) {
    INFO(result.status().message());
    REQUIRE(result.ok());
    return std::move(result).value();
}

// The packed file of a case's network.
void quantize(const fs::path& folder, double min_ratio, const fs::path& file) {
    const Checkpoint checkpoint = must(Checkpoint::open(folder / "model.safetensors", InputFormat::kSafetensors));
    CheckpointNetwork network = must(read_network(checkpoint, {.tokens = 32, .skip = {}}));
    for (const std::string& why : network.obstacles)
        UNSCOPED_INFO(why);
    REQUIRE(network.graph.has_value());
    QuantizeOptions options;
    options.isas = options.levels = usable_isas().value();
    options.producer = "test";
    options.graph = to_json(*network.graph);
    const Status added = add_linears(*network.graph, checkpoint, network.tensors, options.keep);
    INFO(added.message());
    REQUIRE(added.ok());
    const Plan plan = must(make_plan(network.model, {.min_ratio = min_ratio}));
    const Result<QuantizeReport> report = quantize_checkpoint(checkpoint, network.tensors, plan, options, file);
    INFO(report.status().message());
    REQUIRE(report.ok());
}

// All outputs of all sequences, one behind the other.
std::vector<std::vector<float>> run(const fs::path& file, const json& sequences) {
    const PackedModel model = must(PackedModel::open(file, usable_isas().value()));
    const Graph graph = must(graph_from_json(model.graph()));
    Session session = must(Session::create(graph, model.plan(), model.parameters(), {.max_sequences = 16}));
    std::vector<std::int32_t> lengths, ids, types;
    for (const json& sequence : sequences) {
        lengths.push_back(static_cast<std::int32_t>(sequence["token_ids"].size()));
        for (const json& id : sequence["token_ids"])
            ids.push_back(id.get<std::int32_t>());
        if (sequence.contains("token_types"))
            for (const json& type : sequence["token_types"])
                types.push_back(type.get<std::int32_t>());
    }
    std::vector<SessionInput> inputs = {{"token_ids", ids}};
    if (!types.empty()) inputs.push_back({"token_types", types});
    std::vector<std::vector<float>> values;
    for (const std::string& name : graph.outputs) {
        const auto node =
            std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& one) { return one.name == name; });
        // A row for each token, unless everything behind a pooling is of sequences.
        std::set<std::string_view> pooled;
        for (const Node& one : graph.nodes) {
            const bool of_pooled = !one.inputs.empty() && pooled.contains(one.inputs[0]);
            if (one.op == NodeOp::kPool || of_pooled) pooled.insert(one.name);
        }
        values.emplace_back((pooled.contains(name) ? lengths.size() : ids.size()) *
                            static_cast<std::size_t>(node->features));
    }
    std::vector<SessionOutput> outputs;
    for (std::size_t i = 0; i < values.size(); i++)
        outputs.push_back({graph.outputs[i], values[i]});
    const Status status = session.run(lengths, inputs, outputs);
    INFO(status.message());
    REQUIRE(status.ok());
    return values;
}

double cosine(const std::vector<float>& a, const json& b) {
    double product = 0, squares_a = 0, squares_b = 0;
    for (std::size_t i = 0; i < a.size(); i++) {
        const double x = a[i], y = b[i].get<double>();
        product += x * y;
        squares_a += x * x;
        squares_b += y * y;
    }
    return product / std::sqrt(squares_a * squares_b);
}

TEST_CASE("networks yield what transformers computed") {
    const TempFolder folder;
    std::size_t checked = 0;
    std::vector<fs::path> cases;
    for (const fs::directory_entry& entry : fs::directory_iterator(cases_folder()))
        if (entry.is_directory()) cases.push_back(entry.path());
    std::sort(cases.begin(), cases.end());
    for (const fs::path& path : cases) {
        const json expected = read_json_file(path / "expected.json");
        for (const Claim& claim : kClaims) {
            INFO(path.filename().string() << ", " << claim.precision);
            const fs::path file = folder.path() / "net.octile";
            quantize(path, claim.least_ratio, file);
            const std::vector<std::vector<float>> got = run(file, expected["sequences"]);
            REQUIRE(got.size() == expected["outputs"].size());
            for (std::size_t i = 0; i < got.size(); i++) {
                REQUIRE(got[i].size() == expected["outputs"][i].size());
                const double found = cosine(got[i], expected["outputs"][i]);
                if (std::getenv("OCTILE_NETWORK_CASES"))
                    std::printf("%-40s %s output %zu: 1 - cosine = %.2e\n", path.filename().c_str(), claim.precision, i,
                                1 - found);
                CHECK(found > claim.least_cosine);
                checked++;
            }
        }
    }
    CHECK(checked >= 2);
}

}  // namespace
}  // namespace octile::test
