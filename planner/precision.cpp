#include "planner/precision.h"

#include <cmath>

namespace octile {
namespace {

__extension__ using Uint128 = unsigned __int128;

}  // namespace

double ratio_of(std::int64_t k, std::int64_t n) {
    return static_cast<double>(k) * static_cast<double>(n) / static_cast<double>(k + n);
}

bool reaches_ratio(std::int64_t k, std::int64_t n, double min_ratio) {
    // With 1 <= k, n < 2^31 the ratio is at least 1/2 and below 2^30. Between those, min_ratio = mantissa / 2^shift
    // with a 53-bit mantissa and 23 <= shift <= 53, so that both sides below are integers of at most 62 + 53 and 53 +
    // 32 bits.
    if (min_ratio <= 0.5) return true;
    if (!(min_ratio < 0x1p30)) return false;
    int exponent = 0;
    const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::frexp(min_ratio, &exponent), 53));
    const int shift = 53 - exponent;
    return Uint128(k) * Uint128(n) << shift >= Uint128(mantissa) * Uint128(k + n);
}

std::optional<Choice> forced_choice(const Layer& linear, const Override& wanted) {
    if (wanted.skip) return Choice{Precision::kFp16, Reason::kSkipped};
    if (wanted.force) return within_kernels(linear, {*wanted.force, Reason::kForced});
    if (linear.weights == WeightForm::kKeptFloat) return Choice{Precision::kFp16, Reason::kSkipped};
    if (linear.weights == WeightForm::kInt8) return within_kernels(linear, {Precision::kInt8, Reason::kPrequantized});
    return std::nullopt;
}

Choice within_kernels(const Layer& linear, Choice choice) {
    // Longer sums could overflow the kernels' int32 accumulators.
    if (is_quantized(choice.precision) && linear.k > kMaxReduction) return {Precision::kFp16, Reason::kNoKernel};
    return choice;
}

Choice choose_precision(const Layer& layer, double min_ratio, const Override& wanted) {
    if (layer.op != Op::kLinear) return {Precision::kFp16, Reason::kNotALinear};
    if (const std::optional<Choice> forced = forced_choice(layer, wanted)) return *forced;
    return within_kernels(layer, reaches_ratio(layer.k, layer.n, min_ratio)
                                     ? Choice{Precision::kInt8, Reason::kRatioGeMin}
                                     : Choice{Precision::kFp16, Reason::kRatioLtMin});
}

}  // namespace octile
