// Elements of small tensors, as far as they are known: what shape arithmetic computes with.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace octile {

class Number {
  public:
    enum class Kind : std::uint8_t { kUnknown, kInteger, kReal };

    Number() = default;
    static Number integer(std::int64_t value) { return {Kind::kInteger, value, 0}; }
    static Number real(double value) { return {Kind::kReal, 0, value}; }

    Kind kind() const { return kind_; }
    bool known() const { return kind_ != Kind::kUnknown; }
    // Empty unless it is an integer.
    std::optional<std::int64_t> as_integer() const;
    // Empty when it is unknown.
    std::optional<double> as_real() const;
    // Truncated towards zero, as a Cast does; unknown where no int64 holds it.
    Number to_integer() const;
    Number to_real() const;

  private:
    Number(Kind kind, std::int64_t integer, double real) : kind_(kind), integer_(integer), real_(real) {}

    Kind kind_ = Kind::kUnknown;
    std::int64_t integer_ = 0;
    double real_ = 0;
};

using Contents = std::vector<Number>;  // row-major

// An operator of ONNX that works on each element: Add, Neg, Equal, ... Of integers where all operands are; unknown
// where one is, where int64 overflows, and for an operator that is not known.
Number compute(std::string_view op, const std::vector<Number>& operands);

}  // namespace octile
