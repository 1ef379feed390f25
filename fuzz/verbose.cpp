#include "inputs/verbose_layers.h"

#include "fuzz/require.h"
#include "fuzz/use_model.h"

namespace octile::fuzz {

void read_verbose(std::string_view input) {
    const Result<Model> model = parse_verbose_layers(input, "net.log");
    if (went_well(model)) plan(model.value());
}

}  // namespace octile::fuzz
