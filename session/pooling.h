// One row of a sequence's rows.
#pragma once

#include "octile/graph.h"
#include "octile/linear.h"
#include "runtime/network_kernels.h"

namespace octile {

// y [columns of x] from the rows of x, at least one; the arithmetic is docs/quantization.md.
Status pool_rows(const NetworkKernels& kernels, Pooling pooling, const MatrixView& x, float* y);

}  // namespace octile
