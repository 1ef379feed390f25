// Networks with random tensors, as `octile quantize` packs them.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "octile/status.h"
#include "quantize/graph_of.h"
#include "quantize/quantize.h"
#include "tests/packed/graph_checkpoint.h"
#include "tests/session/networks.h"

namespace octile::test {

// Writes `file`, and the checkpoint beside it; panels for this CPU, and for two levels of which it lacks one.
inline Status write_packed(const Graph& graph, const Plan& plan, const std::filesystem::path& file) {
    const RandomTensors tensors(graph);
    const std::filesystem::path weights = file.parent_path() / "net.safetensors";
    std::ofstream(weights, std::ios::binary) << checkpoint_of(graph, tensors.lookup());
    const Result<Checkpoint> checkpoint = Checkpoint::open(weights, InputFormat::kSafetensors);
    if (!checkpoint.ok()) return checkpoint.status();
    Result<LinearTensors> linears = find_linear_tensors(checkpoint.value(), 16, "");
    if (!linears.ok()) return linears.status();
    QuantizeOptions options;
    options.isas = supported_isas();
    options.levels.add(Isa::kAvx2).add(Isa::kSve256);
    options.producer = "test";
    options.graph = to_json(graph);
    if (Status status = add_linears(graph, checkpoint.value(), linears.value(), options.keep); !status.ok())
        return status;
    return quantize_checkpoint(checkpoint.value(), linears.value(), plan, options, file).status();
}

}  // namespace octile::test
