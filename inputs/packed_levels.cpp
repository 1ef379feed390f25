#include "inputs/packed_levels.h"

#include <cstring>

#include "inputs/tensor_values.h"

namespace octile {
namespace {

template <typename Stored>
Stored load(const TensorInfo& tensor, std::int64_t element) {
    Stored stored;
    std::memcpy(&stored, tensor.data.data() + element * static_cast<std::int64_t>(sizeof(stored)), sizeof(stored));
    return stored;
}

// Elements of a word are a power of two.
int log_per_word(int bits) {
    return bits == 4 ? 3 : 2;
}

// Calls `use` with row, column and level of [count, k], along the file, whichever way that is.
template <typename Use>
void each_level(const PackedLevels& levels, std::int64_t first, std::int64_t count, std::int64_t k, Use use) {
    if (levels.channels_last) {
        for (std::int64_t column = 0; column < k; column++)
            for (std::int64_t row = 0; row < count; row++)
                use(row, column, levels.levels.at(column, first + row));
    } else {
        for (std::int64_t row = 0; row < count; row++)
            for (std::int64_t column = 0; column < k; column++)
                use(row, column, levels.levels.at(first + row, column));
    }
}

}  // namespace

int PackedIntegers::at(std::int64_t row, std::int64_t column) const {
    const std::int64_t columns = tensor->shape[1];
    if (tensor->type == DataType::kI8) return load<std::int8_t>(*tensor, row * columns + column) + added;
    const int log = log_per_word(bits);
    const std::int64_t element = along_rows ? row : column;
    const std::int64_t word = along_rows ? (element >> log) * columns + column : row * columns + (element >> log);
    const auto place = static_cast<std::size_t>(element & ((1 << log) - 1));
    const int shift = bits * (order ? (*order)[place] : static_cast<int>(place));
    const std::uint32_t mask = (1u << bits) - 1;
    return static_cast<int>(((load<std::uint32_t>(*tensor, word) >> shift) + static_cast<std::uint32_t>(added)) & mask);
}

std::int64_t words_for(std::int64_t elements, int bits) {
    return elements / 32 * bits + (elements % 32 * bits + 31) / 32;
}

std::vector<std::int64_t> PackedIntegers::shape(std::int64_t rows, std::int64_t columns) const {
    if (tensor->type == DataType::kI8) return {rows, columns};
    return along_rows ? std::vector{words_for(rows, bits), columns} : std::vector{rows, words_for(columns, bits)};
}

std::int64_t PackedLevels::group_at(std::int64_t k) const {
    if (!group_of) return k / group;
    return group_of->dtype == "I64" ? load<std::int64_t>(*group_of, k) : load<std::int32_t>(*group_of, k);
}

float PackedLevels::scale_at(std::int64_t n, std::int64_t of) const {
    float scale = 0;
    const std::int64_t across = scales->shape.size() == 2 ? scales->shape[1] : 1;
    read_values(*scales, channels_last ? of * across + n : n * across + of, 1, {&scale, 1});
    return scale;
}

int PackedLevels::zero_at(std::int64_t n, std::int64_t of) const {
    if (!zeros) return zero;
    return channels_last ? zeros->at(of, n) : zeros->at(n, of);
}

std::string form_text(const PackedLevels& levels, std::int64_t k) {
    std::string text = std::string(levels.form) + " of " + std::to_string(levels.levels.bits) + " bits, ";
    if (levels.groups == 1 && levels.group >= k) return text + "by channel";
    return text + "groups of " + std::to_string(levels.group) + (levels.group_of ? " in an order of their own" : "");
}

bool is_int8_by_channel(const PackedLevels& levels) {
    const bool int8 = levels.levels.bits == 4 || (!levels.zeros && levels.zero == 128);
    return int8 && levels.groups == 1;
}

std::vector<std::int8_t> levels_of(const PackedLevels& levels, std::int64_t first, std::int64_t count, std::int64_t k) {
    std::vector<std::int8_t> differences(static_cast<std::size_t>(count * k));
    std::vector<int> zeros;
    for (std::int64_t row = 0; row < count; row++)
        zeros.push_back(levels.zero_at(first + row, 0));
    each_level(levels, first, count, k, [&](std::int64_t row, std::int64_t column, int level) {
        differences[static_cast<std::size_t>(row * k + column)] =
            static_cast<std::int8_t>(level - zeros[static_cast<std::size_t>(row)]);
    });
    return differences;
}

std::vector<float> values_of(const PackedLevels& levels, std::int64_t first, std::int64_t count, std::int64_t k) {
    const auto groups = static_cast<std::size_t>(levels.groups);
    std::vector<float> scales(static_cast<std::size_t>(count) * groups);
    std::vector<int> zeros(scales.size());
    for (std::size_t i = 0; i < scales.size(); i++) {
        const std::int64_t n = first + static_cast<std::int64_t>(i / groups);
        const auto of = static_cast<std::int64_t>(i % groups);
        scales[i] = levels.scale_at(n, of);
        zeros[i] = levels.zero_at(n, of);
    }
    std::vector<std::size_t> group_of;
    for (std::int64_t column = 0; column < k; column++)
        group_of.push_back(static_cast<std::size_t>(levels.group_at(column)));
    std::vector<float> values(static_cast<std::size_t>(count * k));
    each_level(levels, first, count, k, [&](std::int64_t row, std::int64_t column, int level) {
        const std::size_t of = static_cast<std::size_t>(row) * groups + group_of[static_cast<std::size_t>(column)];
        values[static_cast<std::size_t>(row * k + column)] = static_cast<float>(level - zeros[of]) * scales[of];
    });
    return values;
}

}  // namespace octile
