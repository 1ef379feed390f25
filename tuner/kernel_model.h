// Times of candidates by a model, for cores nobody here has: llvm-mca's cycles for the code of each tile, and the
// planner's terms for packing and caches. Never mixed with what was measured.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "octile/core.h"
#include "octile/status.h"
#include "tuner/space.h"

namespace octile::tuner {

struct TileCost {
    int rows = 0;
    bool single_row = false;
    double cycles_per_mac = 0;  // padding included
    double tile_cycles = 0;     // beside the loop over K
};

// By candidate, from the text that model_kernels.py prints.
Result<std::map<std::string, std::vector<TileCost>>> tile_costs_from_json(std::string_view text);

// Nanoseconds of a layer on one thread: quantization or packing of x, tiles, epilogue. Empty where a tile has no cost.
std::optional<double> modelled_ns(const Parameters& parameters, const LevelTraits& traits, const Core& core,
                                  const TunedLayer& layer, const std::vector<TileCost>& tiles);

}  // namespace octile::tuner
