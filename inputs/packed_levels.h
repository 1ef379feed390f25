// Weights whose levels lie packed in words of 32 bits, with a scale and a zero point for each group of k: what GPTQ,
// AWQ and pack-quantized of compressed-tensors have in common.
//
//   w[n, k] = f32(level[n, k] - zero[n, group of k]) * f32(scale[n, group of k])       one rounding
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/tensor_info.h"

namespace octile {

// How many words so many integers take, side by side.
std::int64_t words_for(std::int64_t elements, int bits);

// A matrix of integers from 0 to 2^bits - 1, packed along one of its dimensions; or one of I8, as it is.
struct PackedIntegers {
    // Where the elements of four bits of a word lie: element i at bit 4 * order[i].
    using Order = std::array<std::uint8_t, 8>;

    const TensorInfo* tensor = nullptr;
    int bits = 4;                  // 4 or 8
    bool along_rows = false;       // words hold elements of one column, one row below the other; else of one row
    const Order* order = nullptr;  // null: the first lowest
    int added = 0;                 // to each, modulo 2^bits; to an I8 plainly

    int at(std::int64_t row, std::int64_t column) const;
    // The extents of the words for a matrix of so many elements.
    std::vector<std::int64_t> shape(std::int64_t rows, std::int64_t columns) const;
};

struct PackedLevels {
    std::string_view form = {};  // "GPTQ"; never dangles
    // Matrices of levels, zeros and scales are [n, k] and [n, groups], or, where channels lie last, [k, n] and
    // [groups, n].
    bool channels_last = false;
    PackedIntegers levels = {};
    std::optional<PackedIntegers> zeros = {};
    int zero = 0;  // without `zeros`: of all
    const TensorInfo* scales = nullptr;
    const TensorInfo* group_of = nullptr;  // [k], I32 or I64: the group of each k; null: k / group
    std::int64_t group = 0;                // of k, all of them for one scale for each channel
    std::int64_t groups = 1;

    std::int64_t group_at(std::int64_t k) const;
    float scale_at(std::int64_t n, std::int64_t group) const;
    int zero_at(std::int64_t n, std::int64_t group) const;
};

// "GPTQ of 4 bits, groups of 128"
std::string form_text(const PackedLevels& levels, std::int64_t k);

// Whether level - zero of every weight is an int8, and each channel has one scale.
bool is_int8_by_channel(const PackedLevels& levels);

// Rows [first, first + count), [count, k]: level - zero, where is_int8_by_channel(); and the weights.
std::vector<std::int8_t> levels_of(const PackedLevels& levels, std::int64_t first, std::int64_t count, std::int64_t k);
std::vector<float> values_of(const PackedLevels& levels, std::int64_t first, std::int64_t count, std::int64_t k);

}  // namespace octile
