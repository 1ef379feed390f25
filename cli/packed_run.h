// Runs one linear of a packed file, times it, and checks it in double precision against the weights that the file
// holds.
#pragma once

#include "cli/layer_run.h"
#include "octile/linear.h"

namespace octile::cli {

// `layer`: the plan's, with the number of rows. Random rows, the same on every machine.
Result<LayerRun> run_packed_layer(const Linear& linear, const Layer& layer, std::int64_t check_rows);

}  // namespace octile::cli
