#include "inputs/layer_lists/csv_layers.h"

#include "fuzz/require.h"
#include "fuzz/use_model.h"

namespace octile::fuzz {

void read_csv(std::string_view input) {
    const Result<Model> model = parse_csv_layers(input, "net.csv");
    if (went_well(model)) plan(model.value());
}

}  // namespace octile::fuzz
