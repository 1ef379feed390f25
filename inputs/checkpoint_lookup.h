// A checkpoint's tensors for pack_parameters().
#pragma once

#include "inputs/checkpoint.h"
#include "octile/graph.h"

namespace octile {

// Vectors as [1, K]; tensors of more than two dimensions, and of element types that Octile does not compute with, are
// not there. What lies at an odd address in the file is copied. The checkpoint has to outlive everything that is packed
// from it: tables are read where they are mapped.
TensorLookup lookup_in(const Checkpoint& checkpoint);

}  // namespace octile
