#include "inputs/gguf/types.h"

#include <algorithm>
#include <iterator>

#include "inputs/gguf/blocks.h"

namespace octile {
namespace {

constexpr GgufType kTypes[] = {
    {.id = 0, .name = "F32", .block_bytes = 4, .type = DataType::kF32},
    {.id = 1, .name = "F16", .block_bytes = 2, .type = DataType::kF16},
    {.id = 2, .name = "Q4_0", .block_values = 32, .block_bytes = 18, .decode = gguf::decode_q4_0},
    {.id = 3, .name = "Q4_1", .block_values = 32, .block_bytes = 20, .decode = gguf::decode_q4_1},
    {.id = 6, .name = "Q5_0", .block_values = 32, .block_bytes = 22, .decode = gguf::decode_q5_0},
    {.id = 7, .name = "Q5_1", .block_values = 32, .block_bytes = 24, .decode = gguf::decode_q5_1},
    {.id = 8, .name = "Q8_0", .block_values = 32, .block_bytes = 34, .decode = gguf::decode_q8_0},
    {.id = 9, .name = "Q8_1", .block_values = 32, .block_bytes = 36},
    {.id = 10, .name = "Q2_K", .block_values = 256, .block_bytes = 84, .decode = gguf::decode_q2_k},
    {.id = 11, .name = "Q3_K", .block_values = 256, .block_bytes = 110, .decode = gguf::decode_q3_k},
    {.id = 12, .name = "Q4_K", .block_values = 256, .block_bytes = 144, .decode = gguf::decode_q4_k},
    {.id = 13, .name = "Q5_K", .block_values = 256, .block_bytes = 176, .decode = gguf::decode_q5_k},
    {.id = 14, .name = "Q6_K", .block_values = 256, .block_bytes = 210, .decode = gguf::decode_q6_k},
    {.id = 15, .name = "Q8_K", .block_values = 256, .block_bytes = 292},
    {.id = 16, .name = "IQ2_XXS", .block_values = 256, .block_bytes = 66},
    {.id = 17, .name = "IQ2_XS", .block_values = 256, .block_bytes = 74},
    {.id = 18, .name = "IQ3_XXS", .block_values = 256, .block_bytes = 98},
    {.id = 19, .name = "IQ1_S", .block_values = 256, .block_bytes = 50},
    {.id = 20, .name = "IQ4_NL", .block_values = 32, .block_bytes = 18, .decode = gguf::decode_iq4_nl},
    {.id = 21, .name = "IQ3_S", .block_values = 256, .block_bytes = 110},
    {.id = 22, .name = "IQ2_S", .block_values = 256, .block_bytes = 82},
    {.id = 23, .name = "IQ4_XS", .block_values = 256, .block_bytes = 136, .decode = gguf::decode_iq4_xs},
    {.id = 24, .name = "I8", .block_bytes = 1, .type = DataType::kI8},
    {.id = 25, .name = "I16", .block_bytes = 2},
    {.id = 26, .name = "I32", .block_bytes = 4},
    {.id = 27, .name = "I64", .block_bytes = 8},
    {.id = 28, .name = "F64", .block_bytes = 8},
    {.id = 29, .name = "IQ1_M", .block_values = 256, .block_bytes = 56},
    {.id = 30, .name = "BF16", .block_bytes = 2, .type = DataType::kBF16},
    {.id = 34, .name = "TQ1_0", .block_values = 256, .block_bytes = 54},
    {.id = 35, .name = "TQ2_0", .block_values = 256, .block_bytes = 66},
    {.id = 39, .name = "MXFP4", .block_values = 32, .block_bytes = 17},
    {.id = 40, .name = "NVFP4", .block_values = 64, .block_bytes = 36},
    {.id = 41, .name = "Q1_0", .block_values = 128, .block_bytes = 18},
    {.id = 42, .name = "Q2_0", .block_values = 64, .block_bytes = 18},
};

template <typename Is>
const GgufType* find_type(Is is) {
    const auto* const found = std::find_if(std::begin(kTypes), std::end(kTypes), is);
    return found == std::end(kTypes) ? nullptr : found;
}

}  // namespace

const GgufType* gguf_type(std::uint32_t id) {
    return find_type([&](const GgufType& type) { return type.id == id; });
}

const GgufType* gguf_type(std::string_view name) {
    return find_type([&](const GgufType& type) { return type.name == name; });
}

bool is_removed_gguf_type(std::uint32_t id) {
    constexpr std::uint32_t kRemoved[] = {4, 5, 31, 32, 33, 36, 37, 38};
    return std::find(std::begin(kRemoved), std::end(kRemoved), id) != std::end(kRemoved);
}

std::uint32_t newest_gguf_type() {
    return std::rbegin(kTypes)->id;
}

const GgufType* block_type(std::string_view dtype) {
    const GgufType* const type = gguf_type(dtype);
    return type && type->is_block() ? type : nullptr;
}

}  // namespace octile
