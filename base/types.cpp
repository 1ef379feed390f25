#include "octile/types.h"

#include "base/names.h"
#include "octile/cpu.h"
#include "octile/layer.h"

namespace octile {
namespace {

constexpr std::array<std::string_view, 4> kDataTypes = {"f32", "f16", "bf16", "i8"};
constexpr std::array<std::size_t, 4> kDataTypeSizes = {4, 2, 2, 1};
constexpr std::array<std::string_view, 8> kActivations = {"none", "relu",      "relu6",      "hardswish",
                                                          "gelu", "gelu_tanh", "quick_gelu", "silu"};
constexpr std::array<std::string_view, 3> kPrecisions = {"int8", "fp16", "int4"};
constexpr std::array<std::string_view, 5> kOps = {"linear", "layernorm", "activation", "add", "other"};
constexpr std::array<std::string_view, kIsaCount> kIsas = {"avx2", "avxvnni", "avx512vnni", "neon",
                                                           "fp16", "dotprod", "i8mm",       "sve256"};
constexpr std::array<std::string_view, 10> kLeftOutReasons = {"user",  "table", "4-bit", "experts", "float8",
                                                              "dtype", "shape", "name",  "adapter", "other"};
static_assert(kDataTypes.size() == static_cast<std::size_t>(DataType::kI8) + 1);
static_assert(kActivations.size() == static_cast<std::size_t>(Activation::kSilu) + 1);
static_assert(kPrecisions.size() == static_cast<std::size_t>(Precision::kInt4) + 1);
static_assert(kOps.size() == static_cast<std::size_t>(Op::kOther) + 1);
static_assert(kLeftOutReasons.size() == static_cast<std::size_t>(LeftOutReason::kOther) + 1);
static_assert(kIsas.size() == static_cast<std::size_t>(Isa::kSve256) + 1);

}  // namespace

std::string_view name_of(DataType type) {
    return internal::enum_name(kDataTypes, type);
}
std::string_view name_of(Activation activation) {
    return internal::enum_name(kActivations, activation);
}
std::string_view name_of(Precision precision) {
    return internal::enum_name(kPrecisions, precision);
}
std::string_view name_of(Op op) {
    return internal::enum_name(kOps, op);
}
std::string_view name_of(LeftOutReason reason) {
    return internal::enum_name(kLeftOutReasons, reason);
}
std::string_view name_of(Isa isa) {
    return internal::enum_name(kIsas, isa);
}

std::optional<DataType> parse_data_type(std::string_view name) {
    return internal::enum_from_name<DataType>(kDataTypes, name);
}
std::optional<Activation> parse_activation(std::string_view name) {
    return internal::enum_from_name<Activation>(kActivations, name);
}
std::optional<Precision> parse_precision(std::string_view name) {
    return internal::enum_from_name<Precision>(kPrecisions, name);
}
std::optional<LeftOutReason> parse_left_out_reason(std::string_view name) {
    return internal::enum_from_name<LeftOutReason>(kLeftOutReasons, name);
}
std::optional<Op> parse_op(std::string_view name) {
    return internal::enum_from_name<Op>(kOps, name);
}
std::optional<Isa> parse_isa(std::string_view name) {
    return internal::enum_from_name<Isa>(kIsas, name);
}

std::size_t size_of(DataType type) {
    const auto index = static_cast<std::size_t>(type);
    OCTILE_CHECK_LT(index, kDataTypeSizes.size());
    return kDataTypeSizes[index];
}

}  // namespace octile
