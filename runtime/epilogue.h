// What follows the sum and bias of a linear layer, as data, and its kernel.
#pragma once

#include <array>

#include "octile/linear.h"
#include "runtime/level_kernels.h"

namespace octile {

struct Epilogue {
    Activation activation = Activation::kNone;
    std::optional<OutputRange> range;
    float output_scale = 0;  // of int8 y
    MatrixView residual;     // no data: none

    // Whether y is what the GEMM writes.
    bool is_identity(DataType output) const {
        return activation == Activation::kNone && !range && !residual.data && output == DataType::kF32;
    }

    // y = epilogue(z), where `other` is the gate (f32, the shape of z) or has no data. One block: all of one shape.
    Status run(const Kernel& kernel, const MatrixView& z, const MatrixView& other, const MutableMatrixView& y) const;
};

}  // namespace octile
