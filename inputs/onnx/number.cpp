#include "inputs/onnx/number.h"

#include <algorithm>
#include <cmath>

namespace octile {
namespace {

// 2^63: the first double above what int64 holds.
constexpr double kBeyond = 9223372036854775808.0;

Number of_bool(bool value) {
    return Number::integer(value ? 1 : 0);
}

Number unary(std::string_view op, const Number& x) {
    if (op == "Identity" || op == "Dropout") return x;
    if (const std::optional<std::int64_t> i = x.as_integer()) {
        if (op == "Neg") return *i == INT64_MIN ? Number() : Number::integer(-*i);
        if (op == "Abs") return *i == INT64_MIN ? Number() : Number::integer(std::abs(*i));
        if (op == "Not") return of_bool(*i == 0);
        if (op == "Sign") return Number::integer(*i > 0 ? 1 : *i < 0 ? -1 : 0);
        if (op == "Floor" || op == "Ceil" || op == "Round") return x;
    }
    const std::optional<double> r = x.as_real();
    if (!r) return {};
    if (op == "Neg") return Number::real(-*r);
    if (op == "Abs") return Number::real(std::fabs(*r));
    if (op == "Floor") return Number::real(std::floor(*r));
    if (op == "Ceil") return Number::real(std::ceil(*r));
    if (op == "Round") return Number::real(std::nearbyint(*r));
    if (op == "Sqrt") return Number::real(std::sqrt(*r));
    if (op == "Reciprocal") return Number::real(1 / *r);
    return {};
}

std::optional<bool> compare(std::string_view op, auto a, auto b) {
    if (op == "Equal") return a == b;
    if (op == "Less") return a < b;
    if (op == "Greater") return a > b;
    if (op == "LessOrEqual") return a <= b;
    if (op == "GreaterOrEqual") return a >= b;
    return std::nullopt;
}

Number of_integers(std::string_view op, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    if (op == "Add") return __builtin_add_overflow(a, b, &result) ? Number() : Number::integer(result);
    if (op == "Sub") return __builtin_sub_overflow(a, b, &result) ? Number() : Number::integer(result);
    if (op == "Mul") return __builtin_mul_overflow(a, b, &result) ? Number() : Number::integer(result);
    if (op == "Max") return Number::integer(std::max(a, b));
    if (op == "Min") return Number::integer(std::min(a, b));
    if (op == "And") return of_bool(a != 0 && b != 0);
    if (op == "Or") return of_bool(a != 0 || b != 0);
    if (op == "Xor") return of_bool((a != 0) != (b != 0));
    if (op == "Pow") return Number::real(std::pow(static_cast<double>(a), static_cast<double>(b))).to_integer();
    if (op == "Div" || op == "Mod") {
        if (b == 0 || (a == INT64_MIN && b == -1)) return {};
        if (op == "Div") return Number::integer(a / b);
        const std::int64_t rest = a % b;  // the sign of the divisor, as in Python
        return Number::integer(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    }
    if (const std::optional<bool> truth = compare(op, a, b)) return of_bool(*truth);
    return {};
}

Number of_reals(std::string_view op, double a, double b) {
    if (op == "Add") return Number::real(a + b);
    if (op == "Sub") return Number::real(a - b);
    if (op == "Mul") return Number::real(a * b);
    if (op == "Div") return Number::real(a / b);
    if (op == "Max") return Number::real(std::fmax(a, b));
    if (op == "Min") return Number::real(std::fmin(a, b));
    if (op == "Pow") return Number::real(std::pow(a, b));
    if (const std::optional<bool> truth = compare(op, a, b)) return of_bool(*truth);
    return {};
}

Number binary(std::string_view op, const Number& a, const Number& b) {
    const std::optional<std::int64_t> i = a.as_integer(), j = b.as_integer();
    if (i && j) return of_integers(op, *i, *j);
    const std::optional<double> x = a.as_real(), y = b.as_real();
    return x && y ? of_reals(op, *x, *y) : Number();
}

}  // namespace

std::optional<std::int64_t> Number::as_integer() const {
    return kind_ == Kind::kInteger ? std::optional(integer_) : std::nullopt;
}

std::optional<double> Number::as_real() const {
    if (kind_ == Kind::kInteger) return static_cast<double>(integer_);
    return kind_ == Kind::kReal ? std::optional(real_) : std::nullopt;
}

Number Number::to_integer() const {
    if (kind_ != Kind::kReal) return *this;
    if (!(real_ >= -kBeyond && real_ < kBeyond)) return {};
    return integer(static_cast<std::int64_t>(real_));
}

Number Number::to_real() const {
    return kind_ == Kind::kInteger ? real(static_cast<double>(integer_)) : *this;
}

Number compute(std::string_view op, const std::vector<Number>& operands) {
    if (op == "Where" && operands.size() == 3) {
        const std::optional<std::int64_t> truth = operands[0].as_integer();
        return !truth ? Number() : *truth != 0 ? operands[1] : operands[2];
    }
    if (operands.size() == 1) return unary(op, operands[0]);
    if (operands.size() < 2) return {};
    Number result = binary(op, operands[0], operands[1]);
    for (std::size_t i = 2; i < operands.size(); ++i)  // Max, Min, Sum of many
        result = binary(op, result, operands[i]);
    return result;
}

}  // namespace octile
