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

    // A few rows of y [m, n] of `type`, computed from matrix(kRows, input), against the reference: INT8 bit by bit,
    // FP16 within the bound of its arithmetic.
    Status check_output(const void* y, DataType type, Precision precision, bool f16_arithmetic, Activation activation,
                        DataType input) const;

    // The rows that are checked: first, middle and last.
    std::vector<std::int64_t> sample(Side side) const;
    const reference::QuantizedRows& quantized_weights() const;

  private:
    std::vector<float> values(Side side, DataType type, std::span<const std::int64_t> rows) const;

    Shape shape_;
    std::vector<float> x_, w_, bias_;
    mutable std::map<std::pair<Side, DataType>, std::vector<std::uint16_t>> narrow_;
    mutable std::optional<reference::QuantizedRows> quantized_weights_;
};

}  // namespace octile::bench
