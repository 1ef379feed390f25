#include "fuzz/memory_file.h"
#include "fuzz/require.h"
#include "fuzz/use_model.h"
#include "inputs/checkpoint.h"
#include "inputs/read_model.h"

namespace octile::fuzz {

// A whole file.
void read_safetensors(std::string_view input) {
    const auto path = memory_file(input);
    const Result<Checkpoint> checkpoint = Checkpoint::open(path, InputFormat::kSafetensors);
    if (!went_well(checkpoint)) return;
    use(checkpoint.value());
    const Result<LinearTensors> tensors = find_linear_tensors(checkpoint.value(), {.tokens = 4, .skip = {}});
    if (went_well(tensors)) use(tensors.value());
    const Result<Model> model = read_model(path, {.tokens = 4, .skip = {}, .format = InputFormat::kSafetensors});
    if (went_well(model)) plan(model.value());
}

}  // namespace octile::fuzz
