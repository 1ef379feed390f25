// The operands of one shape, and what their results must be. The answers come from tests/reference alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bench/shapes.h"
#include "octile/linear.h"
#include "octile/status.h"
#include "octile/types.h"
#include "planner/kernel_info.h"
#include "tests/reference/quantize.h"

namespace octile::bench {

enum class Side { kRows, kWeights };

class Problem {
  public:
    // Operands are pseudo-random and the same on every run.
    explicit Problem(const Shape& shape);

    const Shape& shape() const { return shape_; }
    std::span<const float> bias() const { return bias_; }
    // x [m, k] or w [n, k], converted to a type when it is first asked for.
    MatrixView matrix(Side side, DataType type) const;

    // A few rows of y [m, n] against the reference: INT8 bit by bit, FP16 within the bound of the arithmetic that the
    // panel's element type stands for.
    Status check_output(const void* y, DataType type, Precision precision, Element panel, Activation activation) const;
    // The same rows of what a kernel packed from matrix(side, input); `scales` is null for FP16.
    Status check_panel(const KernelInfo& kernel, Side side, const void* panel, const float* scales) const;

    std::int64_t padded_k() const;

  private:
    std::vector<float> values(Side side, DataType type, std::span<const std::int64_t> rows) const;
    std::vector<std::int64_t> sample(Side side) const;
    const reference::QuantizedRows& quantized_weights() const;

    Shape shape_;
    std::vector<float> x_, w_, bias_;
    mutable std::map<std::pair<Side, DataType>, std::vector<std::uint16_t>> narrow_;
    mutable std::optional<reference::QuantizedRows> quantized_weights_;
};

}  // namespace octile::bench
