#include "inputs/onnx/tensor.h"
#include "base/limits.h"

#include <fp16.h>

#include <array>
#include <cstring>

namespace octile {
namespace {

using onnx::TensorProto;

struct TypeFacts {
    std::string_view name;
    int bits;
};
// In the order of their numbers, which later versions of ONNX only add to.
constexpr std::array<TypeFacts, 24> kTypes = {
    {{"UNDEFINED", 0},      {"FLOAT", 32},    {"UINT8", 8},        {"INT8", 8},           {"UINT16", 16},
     {"INT16", 16},         {"INT32", 32},    {"INT64", 64},       {"STRING", 0},         {"BOOL", 8},
     {"FLOAT16", 16},       {"DOUBLE", 64},   {"UINT32", 32},      {"UINT64", 64},        {"COMPLEX64", 64},
     {"COMPLEX128", 128},   {"BFLOAT16", 16}, {"FLOAT8E4M3FN", 8}, {"FLOAT8E4M3FNUZ", 8}, {"FLOAT8E5M2", 8},
     {"FLOAT8E5M2FNUZ", 8}, {"UINT4", 4},     {"INT4", 4},         {"FLOAT4E2M1", 4}}};

TypeFacts facts_of(int type) {
    const bool known = type >= 0 && static_cast<std::size_t>(type) < kTypes.size();
    return kTypes[known ? static_cast<std::size_t>(type) : 0];
}

Number number_of(double value) {
    return Number::real(value);
}
Number number_of(float value) {
    return Number::real(static_cast<double>(value));
}
template <typename T>
Number number_of(T value) {
    return Number::integer(static_cast<std::int64_t>(value));
}

// Elements of type T as raw_data holds them, or those of the field that ONNX has for the type.
template <typename T, typename Field>
std::optional<Contents> read(const TensorProto& tensor, const Field& field, std::size_t count) {
    Contents contents;
    contents.reserve(count);
    if (tensor.has_raw_data()) {
        if (tensor.raw_data().size() != count * sizeof(T)) return std::nullopt;
        for (std::size_t i = 0; i < count; ++i) {
            T value;
            std::memcpy(&value, tensor.raw_data().data() + i * sizeof(T), sizeof(T));
            contents.push_back(number_of(value));
        }
        return contents;
    }
    if (static_cast<std::size_t>(field.size()) != count) return std::nullopt;
    for (const auto value : field)
        contents.push_back(number_of(static_cast<T>(value)));
    return contents;
}

// Half floats lie as 16 bits each in either place.
std::optional<Contents> read_half(const TensorProto& tensor, std::size_t count) {
    std::optional<Contents> bits = read<std::uint16_t>(tensor, tensor.int32_data(), count);
    if (!bits) return std::nullopt;
    const bool brain = tensor.data_type() == TensorProto::BFLOAT16;
    for (Number& number : *bits) {
        const auto pattern = static_cast<std::uint16_t>(number.as_integer().value_or(0));
        number = number_of(brain ? fp32_from_bits(static_cast<std::uint32_t>(pattern) << 16)
                                 : fp16_ieee_to_fp32_value(pattern));
    }
    return bits;
}

}  // namespace

bool is_onnx_float(int type) {
    return type == TensorProto::FLOAT || type == TensorProto::DOUBLE || type == TensorProto::FLOAT16 ||
           type == TensorProto::BFLOAT16;
}

bool is_onnx_four_bit(int type) {
    return facts_of(type).bits == 4;
}

bool is_onnx_int8(int type) {
    return type == TensorProto::INT8 || type == TensorProto::UINT8;
}

int bits_of_onnx_type(int type) {
    return facts_of(type).bits;
}

std::string_view name_of_onnx_type(int type) {
    return facts_of(type).name;
}

std::optional<Extents> extents_of(const TensorProto& tensor) {
    if (static_cast<std::size_t>(tensor.dims_size()) > limits::kRank) return std::nullopt;
    Extents extents(tensor.dims().begin(), tensor.dims().end());
    for (const std::int64_t extent : extents) {
        if (extent < 0) return std::nullopt;
    }
    return extents;
}

std::optional<Contents> contents_of(const TensorProto& tensor) {
    if (tensor.data_location() == TensorProto::EXTERNAL) return std::nullopt;
    const std::optional<Extents> extents = extents_of(tensor);
    const std::optional<std::int64_t> elements = extents ? elements_of(*extents) : std::nullopt;
    if (!elements || *elements > static_cast<std::int64_t>(limits::kOnnxElements)) return std::nullopt;
    const auto count = static_cast<std::size_t>(*elements);
    switch (tensor.data_type()) {
        case TensorProto::FLOAT:
            return read<float>(tensor, tensor.float_data(), count);
        case TensorProto::DOUBLE:
            return read<double>(tensor, tensor.double_data(), count);
        case TensorProto::INT64:
            return read<std::int64_t>(tensor, tensor.int64_data(), count);
        case TensorProto::INT32:
            return read<std::int32_t>(tensor, tensor.int32_data(), count);
        case TensorProto::INT16:
            return read<std::int16_t>(tensor, tensor.int32_data(), count);
        case TensorProto::UINT16:
            return read<std::uint16_t>(tensor, tensor.int32_data(), count);
        case TensorProto::INT8:
            return read<std::int8_t>(tensor, tensor.int32_data(), count);
        case TensorProto::UINT8:
        case TensorProto::BOOL:
            return read<std::uint8_t>(tensor, tensor.int32_data(), count);
        case TensorProto::FLOAT16:
        case TensorProto::BFLOAT16:
            return read_half(tensor, count);
        default:
            return std::nullopt;
    }
}

}  // namespace octile
