#include "fuzz/memory_file.h"
#include "fuzz/require.h"
#include "fuzz/use_model.h"
#include "inputs/checkpoint.h"
#include "inputs/checkpoint_network.h"
#include "inputs/gguf/values.h"

namespace octile::fuzz {

// A whole file: its keys and tensors, the network that they are, and its graph.
void read_gguf(std::string_view input) {
    const Result<Checkpoint> checkpoint = Checkpoint::open(memory_file(input), InputFormat::kGguf);
    if (!went_well(checkpoint)) return;
    for (const GgufKey& key : checkpoint->gguf()->header().keys)
        (void)gguf_text(key.value);
    use(checkpoint.value());
    ReadOptions options;
    options.tokens = 4;
    const Result<CheckpointNetwork> network = read_network(checkpoint.value(), options);
    if (!went_well(network)) return;
    plan(network->model);
    if (network->graph) use(*network->graph);
}

}  // namespace octile::fuzz
