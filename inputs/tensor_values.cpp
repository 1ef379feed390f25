#include "inputs/tensor_values.h"

#include <fp16.h>

#include <bit>
#include <cstring>

#include "base/check.h"

namespace octile {

std::vector<float> values_of(const TensorInfo& tensor) {
    OCTILE_CHECK_EQ(tensor.type.has_value(), true);
    const DataType type = *tensor.type;
    const std::byte* const data = tensor.data.data();
    std::vector<float> values(tensor.data.size() / size_of(type));
    if (values.empty()) return values;
    if (type == DataType::kF32) {
        std::memcpy(values.data(), data, tensor.data.size());
        return values;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (type == DataType::kI8) {
            values[i] = static_cast<float>(static_cast<std::int8_t>(data[i]));
            continue;
        }
        std::uint16_t bits;
        std::memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
        values[i] = type == DataType::kF16 ? fp16_ieee_to_fp32_value(bits)
                                           : std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
    }
    return values;
}

std::vector<float> weights_of(const TensorInfo& weight, const TensorInfo* scale) {
    std::vector<float> weights = values_of(weight);
    if (scale == nullptr) return weights;
    const std::vector<float> scales = values_of(*scale);
    const auto rows = static_cast<std::size_t>(weight.shape.front());
    OCTILE_CHECK_EQ(scales.size() == 1 || scales.size() == rows, true);
    const std::size_t k = weights.size() / rows;
    for (std::size_t i = 0; i < weights.size(); ++i)
        weights[i] *= scales[scales.size() == 1 ? 0 : i / k];
    return weights;
}

}  // namespace octile
