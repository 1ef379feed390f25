#include "fuzz/memory_file.h"
#include "fuzz/require.h"
#include "fuzz/use_model.h"
#include "inputs/checkpoint.h"
#include "inputs/checkpoint_network.h"
#include "inputs/read_model.h"
#include "tests/inputs/safetensors_builder.h"

namespace octile::fuzz {

// An index of the two shards a and b, and, behind a byte 1, the config.json beside it.
void read_safetensors_index(std::string_view input) {
    static const bool made = [] {
        using test::TestTensor;
        scratch_file("a", test::safetensors_bytes(std::vector<TestTensor>{{"embeddings.word_embeddings.weight", {9, 4}},
                                                                          {"x.weight", {2, 2}, "I8"},
                                                                          {"x.weight_scale", {2, 1}}}));
        scratch_file(
            "b", test::safetensors_bytes(std::vector<TestTensor>{
                     {"layer.0.fc.bias", {2}, "F16"}, {"layer.0.fc.weight", {2, 3}, "BF16"}, {"norm.weight", {2}}}));
        return true;
    }();
    (void)made;
    const std::size_t cut = input.find('\x01');
    const auto index = scratch_file("model.safetensors.index.json", input.substr(0, cut));
    scratch_file("config.json", cut == std::string_view::npos ? std::string_view("{}") : input.substr(cut + 1));
    const Result<Checkpoint> checkpoint = Checkpoint::open(index, InputFormat::kSafetensorsIndex);
    if (went_well(checkpoint)) {
        use(checkpoint.value());
        const Result<CheckpointNetwork> network = read_network(checkpoint.value(), {.tokens = 4, .skip = {}});
        if (went_well(network) && network->graph) use(*network->graph);
    }
    const Result<Model> model = read_model(scratch_folder(), {.tokens = 4, .skip = {}});
    if (went_well(model)) plan(model.value());
}

}  // namespace octile::fuzz
