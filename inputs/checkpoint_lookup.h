// A checkpoint's tensors for pack_parameters().
#pragma once

#include "inputs/checkpoint.h"
#include "octile/graph.h"

namespace octile {

// Vectors as [1, K]; tensors of more than two dimensions, and what is neither int8 nor floats by itself, are not there.
// What lies at an odd address in the file is copied; F64, GGUF's blocks and what it stores otherwise become f32. The
// checkpoint has to outlive everything that is packed from it: tables are read where they are mapped.
TensorLookup lookup_in(const Checkpoint& checkpoint);

}  // namespace octile
