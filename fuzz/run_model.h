// Runs what has been read, small as it is.
#pragma once

#include <memory>

#include "octile/graph.h"
#include "octile/packed_model.h"
#include "octile/plan.h"

namespace octile::fuzz {

// Six rows of two sequences through the network, twice, where it takes little memory.
void run(const Graph& graph, const Plan& plan, const std::shared_ptr<const Parameters>& parameters);
// Opens a packed file as programs and the command do, and runs its linears and its network.
void run_packed(const std::filesystem::path& path);

}  // namespace octile::fuzz
