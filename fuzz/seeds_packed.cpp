#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>

#include "fuzz/memory_file.h"
#include "fuzz/require.h"
#include "fuzz/seeds.h"
#include "inputs/linear_tensors.h"
#include "octile/cpu.h"
#include "octile/planner.h"
#include "quantize/graph_of.h"
#include "quantize/quantize.h"
#include "tests/packed/graph_checkpoint.h"
#include "tests/session/networks.h"

namespace octile::fuzz {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// A network quantized by the ratio, as a packed file.
std::string packed(const Graph& graph, double min_ratio) {
    const test::RandomTensors tensors(graph);
    const fs::path source = scratch_file("model.safetensors", test::checkpoint_of(graph, tensors.lookup()));
    const fs::path target = scratch_folder() / "model.octile";
    const Result<Checkpoint> checkpoint = Checkpoint::open(source, InputFormat::kSafetensors);
    require(checkpoint.ok(), checkpoint.status().message());
    Result<LinearTensors> linears = find_linear_tensors(checkpoint.value(), 16, "");
    require(linears.ok(), linears.status().message());
    QuantizeOptions options;
    options.isas = options.levels = usable_isas().value();
    options.producer = "fuzz";
    options.graph = to_json(graph);
    const Status added = add_linears(graph, checkpoint.value(), linears.value(), options.keep);
    require(added.ok(), added.message());
    const auto report =
        quantize_checkpoint(checkpoint.value(), linears.value(), test::plan_of(graph, min_ratio), options, target);
    require(report.ok(), report.status().message());
    return bytes_of(target);
}

}  // namespace

void add_packed_seeds(const SeedFolder& folder) {
    const auto encoder =
        test::encoder_graph({.hidden = 16, .ffn = 24, .heads = 1, .blocks = 1, .vocabulary = 9, .positions = 12});
    const auto decoder = test::decoder_graph(
        {.hidden = 16, .ffn = 24, .heads = 2, .key_heads = 1, .head = 16, .blocks = 1, .vocabulary = 9});
    const auto modern = test::modern_graph({.hidden = 16, .ffn = 24, .heads = 4, .vocabulary = 9});
    for (const auto& [name, graph] : {std::pair("encoder", encoder), {"decoder", decoder}, {"modern", modern}}) {
        folder.add("graph", name, to_json(graph));
        folder.add("plan", name, to_json(test::plan_of(graph, 8.5)));
        const PlanOptions by_cost = {.policy = Policy::kCost, .core = find_core("neoverse-v2").value(), .threads = 2};
        folder.add("plan", fmt::format("{}_cost", name), to_json(make_plan(layers_of(graph, 16), by_cost).value()));
        const std::string file = packed(graph, 8.5);
        std::uint64_t directory = 0;
        std::memcpy(&directory, file.data() + 24, sizeof(directory));
        folder.add("packed_file", name, file);
        folder.add("packed_directory", name, std::string_view(file).substr(directory));
    }
}

}  // namespace octile::fuzz
