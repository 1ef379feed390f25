// A packed linear as arrays that make it again, on any CPU and with the same results.
#pragma once

#include <nanobind/nanobind.h>

#include "octile/linear.h"

namespace octile::python {

// Weights: "levels" [n, k] and "scale" [n] of INT8; "weight" [n, k] of FP16, in float16; "q4", "s4", "c8" and "scale"
// of INT4 (docs/quantization.md). "bias" [n], zeros where there is none. And the keywords of octile.Linear that are not
// defaults. TypeError for a gated one.
nanobind::dict state_of(const Linear& linear);

}  // namespace octile::python
