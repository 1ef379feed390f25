#include "fuzz/memory_file.h"
#include "fuzz/require.h"
#include "fuzz/use_model.h"
#include "inputs/read_model.h"

namespace octile::fuzz {

// A file of whatever format: what it is has to be found out.
void read_network(std::string_view input) {
    const Result<Model> model = read_model(memory_file(input), {.tokens = 4, .skip = {}});
    if (went_well(model)) plan(model.value());
}

}  // namespace octile::fuzz
