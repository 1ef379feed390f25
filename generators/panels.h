// The memory order of packed panels, said once for the generators that write them and those that read them.
#pragma once

#include "Halide.h"

namespace octile::generators {

// panel [k_block, tile, K / k_block, panels]: for each k_block consecutive elements of K, those of `tile` rows side by
// side.
template <typename Panel>
void constrain_panel(Panel& panel, int k_block, int tile) {
    panel.dim(0).set_bounds(0, k_block);
    panel.dim(1).set_bounds(0, tile).set_stride(k_block);
    panel.dim(2).set_min(0).set_stride(k_block * tile);
    panel.dim(3).set_min(0);
}

// panel [tile, K, panels]
template <typename Panel>
void constrain_panel(Panel& panel, int tile) {
    panel.dim(0).set_bounds(0, tile);
    panel.dim(1).set_min(0).set_stride(tile);
    panel.dim(2).set_min(0);
}

}  // namespace octile::generators
