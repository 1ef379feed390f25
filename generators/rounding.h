// Conversions from binary32 whose bits are the same on every target: docs/quantization.md.
#pragma once

#include "Halide.h"

namespace octile::generators {

// To a floating-point type, nearest, ties to even. bf16 by integer arithmetic, because Halide's own conversion is not
// the same on every target: half of the last place is added, less one where the kept part is even; a NaN keeps its
// upper bits and becomes quiet.
Halide::Expr round_to(Halide::Type type, const Halide::Expr& v);

}  // namespace octile::generators
