#include "inputs/layer_lists/json_layers.h"

#include "fuzz/require.h"
#include "fuzz/use_model.h"

namespace octile::fuzz {

void read_json(std::string_view input) {
    const Result<Model> model = parse_json_layers(input, "net.json");
    if (went_well(model)) plan(model.value());
}

}  // namespace octile::fuzz
