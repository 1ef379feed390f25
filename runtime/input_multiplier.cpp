#include "runtime/input_multiplier.h"

#include <fmt/format.h>
#include <fp16.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "runtime/matrix.h"

namespace octile {
namespace {

float from_f16(std::uint16_t bits) {
    return fp16_ieee_to_fp32_value(bits);
}

float from_bf16(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

template <typename T, typename ToFloat>
void multiply_row(const T* x, std::span<const float> multiplier, float* product, ToFloat to_float) {
    for (std::size_t k = 0; k < multiplier.size(); k++)
        product[k] = to_float(x[k]) * multiplier[k];
}

}  // namespace

void InputMultiplier::multiply(const MatrixView& x, float* product) const {
    OCTILE_CHECK_EQ(static_cast<std::size_t>(x.columns), values_.size());
    for (std::int64_t row = 0; row < x.rows; row++, product += x.columns) {
        const void* source = block_of(x, row, 1, 0, x.columns).data;
        if (x.type == DataType::kF32) {
            multiply_row(static_cast<const float*>(source), values_, product, [](float value) { return value; });
        } else if (x.type == DataType::kF16) {
            multiply_row(static_cast<const std::uint16_t*>(source), values_, product, from_f16);
        } else {
            OCTILE_CHECK_EQ(name_of(x.type), name_of(DataType::kBF16));
            multiply_row(static_cast<const std::uint16_t*>(source), values_, product, from_bf16);
        }
    }
}

bool same(const InputMultiplier* a, const InputMultiplier* b) {
    if (a == b) return true;
    if (!a || !b || a->values().size() != b->values().size()) return false;
    // Layers of one packed file that share an input share the values too.
    return a->values().data() == b->values().data() ||
           std::equal(a->values().begin(), a->values().end(), b->values().begin());
}

Status check_input_multiplier(std::span<const float> values, std::int64_t features) {
    if (static_cast<std::int64_t>(values.size()) != features)
        return invalid(fmt::format("input multiplier: {} elements; expected {}", values.size(), features));
    const auto wrong =
        std::find_if(values.begin(), values.end(), [](float value) { return !(value > 0) || !std::isfinite(value); });
    if (wrong == values.end()) return {};
    return invalid(fmt::format("input multiplier: feature {} has {}; expected a positive, finite number",
                               wrong - values.begin(), *wrong));
}

}  // namespace octile
