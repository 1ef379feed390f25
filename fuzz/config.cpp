#include "fuzz/require.h"
#include "fuzz/use_model.h"
#include "inputs/graph_config.h"
#include "inputs/model_config.h"

namespace octile::fuzz {

// A transformers config.json, as layers and as a graph.
void read_config(std::string_view input) {
    const Result<Model> model = read_model_config(input, "net/config.json", {.tokens = 4});
    if (went_well(model)) plan(model.value());
    const Result<Graph> graph = graph_of_config(input, "net/config.json", {});
    if (went_well(graph)) use(graph.value());
}

}  // namespace octile::fuzz
