// Whether an fp16 result is as close to the double result as docs/quantization.md says it is.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "octile/cpu.h"
#include "tests/reference/activation.h"
#include "tests/reference/linear.h"
#include "tests/reference/tolerance.h"
#include "tests/support/typed_matrix.h"

namespace octile::test {

inline reference::Fp16Arithmetic arithmetic_of(Isa isa) {
    return isa == Isa::kFp16 ? reference::Fp16Arithmetic::kF16 : reference::Fp16Arithmetic::kF32;
}

// The layer in double, from operands that have been rounded to f16.
struct ExactLayer {
    ExactLayer(std::span<const float> x, std::span<const float> w, std::span<const float> bias, std::int64_t m,
               std::int64_t depth, std::int64_t n)
        : k(static_cast<std::size_t>(depth)),
          outputs(reference::linear_exact(x, w, bias, static_cast<std::size_t>(m), k, static_cast<std::size_t>(n))) {}

    std::size_t k;
    std::vector<reference::ExactOutput> outputs;
};

// Empty, or the first element that is further from the exact result than the bound, which comes from the operands and
// never from a kernel. Where f16 may overflow on the way there is no bound. NaN and infinities come out as the exact
// result has them.
inline std::string first_beyond_tolerance(const TypedMatrix& y, const ExactLayer& exact, Activation activation,
                                          reference::Fp16Arithmetic arithmetic) {
    for (std::int64_t i = 0; i < y.rows() * y.columns(); i++) {
        const reference::ExactOutput& output = exact.outputs[static_cast<std::size_t>(i)];
        const double got = static_cast<double>(y.at(i / y.columns(), i % y.columns()));
        double wanted = reference::exact::activate(activation, output.value), tolerance = 0;
        bool right = false;
        if (!std::isfinite(output.value)) {
            // The page's sequence, not the function: it says what an infinity becomes.
            wanted = static_cast<double>(
                decode(y.type(), encode(y.type(), reference::activate(activation, static_cast<float>(output.value)))));
            right = std::isnan(wanted) ? std::isnan(got) : got == wanted;
        } else {
            tolerance = reference::output_tolerance(reference::accumulator_tolerance(output, exact.k, arithmetic),
                                                    output.value, wanted, activation, y.type());
            right = std::isinf(tolerance) || std::abs(got - wanted) <= tolerance;
        }
        if (right) continue;
        std::ostringstream text;
        text.precision(std::numeric_limits<float>::max_digits10);
        text << '[' << i / y.columns() << ", " << i % y.columns() << "] of [" << y.rows() << ", " << y.columns()
             << "] is " << got << ", expected " << wanted << " within " << tolerance;
        return text.str();
    }
    return {};
}

}  // namespace octile::test
