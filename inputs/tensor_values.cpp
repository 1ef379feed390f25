#include "inputs/tensor_values.h"

#include <fp16.h>

#include <bit>
#include <cstring>

#include "base/check.h"
#include "inputs/float8.h"

namespace octile {
namespace {

template <typename Stored>
Stored load(const std::byte* at) {
    Stored stored;
    std::memcpy(&stored, at, sizeof(stored));
    return stored;
}

// `convert` makes a float of the stored element.
template <typename Stored, typename Convert>
void read(const TensorInfo& tensor, std::int64_t first, std::int64_t stride, std::span<float> values, Convert convert) {
    const std::byte* at = tensor.data.data() + first * static_cast<std::int64_t>(sizeof(Stored));
    for (float& value : values) {
        value = convert(load<Stored>(at));
        at += stride * static_cast<std::int64_t>(sizeof(Stored));
    }
}

std::size_t element_bytes(const TensorInfo& tensor) {
    return tensor.type ? size_of(*tensor.type) : tensor.dtype == "F64" ? sizeof(double) : 1;
}

}  // namespace

bool has_float_values(const TensorInfo& tensor) {
    if (tensor.type) return *tensor.type != DataType::kI8;
    return tensor.dtype == "F64" || float8_values(tensor.dtype) != nullptr;
}

bool has_values(const TensorInfo& tensor) {
    return tensor.type == DataType::kI8 || has_float_values(tensor);
}

std::vector<float> values_of(const TensorInfo& tensor) {
    OCTILE_CHECK_EQ(has_values(tensor), true);
    std::vector<float> values(tensor.data.size() / element_bytes(tensor));
    read_values(tensor, 0, 1, values);
    return values;
}

void read_values(const TensorInfo& tensor, std::int64_t first, std::int64_t stride, std::span<float> values) {
    OCTILE_CHECK_EQ(has_values(tensor), true);
    if (values.empty()) return;
    if (tensor.type == DataType::kF32 && stride == 1) {
        std::memcpy(values.data(), tensor.data.data() + static_cast<std::size_t>(first) * sizeof(float),
                    values.size_bytes());
        return;
    }
    const auto from = [&]<typename Stored>(Stored, auto convert) {
        read<Stored>(tensor, first, stride, values, convert);
    };
    if (!tensor.type) {
        if (tensor.dtype == "F64") return from(double(), [](double value) { return static_cast<float>(value); });
        const Float8Values& table = *float8_values(tensor.dtype);
        return from(std::uint8_t(), [&](std::uint8_t byte) { return table[byte]; });
    }
    switch (*tensor.type) {
        case DataType::kF32:
            return from(float(), [](float value) { return value; });
        case DataType::kF16:
            return from(std::uint16_t(), [](std::uint16_t bits) { return fp16_ieee_to_fp32_value(bits); });
        case DataType::kBF16:
            return from(std::uint16_t(), [](std::uint16_t bits) {
                return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
            });
        case DataType::kI8:
            return from(std::int8_t(), [](std::int8_t level) { return static_cast<float>(level); });
    }
}

}  // namespace octile
