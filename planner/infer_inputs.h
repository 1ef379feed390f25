// What layers read where a list does not say so but their names do.
#pragma once

#include <vector>

#include "octile/layer.h"
#include "planner/validate.h"

namespace octile {

// For rows without `inputs` whose names are those of a known family of networks:
//
// - query, key and value of one prefix read the same, whatever the first of them reads; of cross-attention, key and
//   value do;
// - the attention's output projection reads all three;
// - gate and up of one prefix read the same, and down reads both.
//
// Shapes have to agree, otherwise a row is left as it is. Changes `edges` and, where names are unique and so can say
// it, `inputs`. Precondition: edges == resolve_inputs(layers).
void infer_inputs(std::vector<Layer>& layers, Edges& edges);

}  // namespace octile
