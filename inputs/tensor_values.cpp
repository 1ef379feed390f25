#include "inputs/tensor_values.h"

#include <fp16.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "inputs/float8.h"
#include "inputs/gguf/types.h"

namespace octile {
namespace {

constexpr std::int64_t kMostBlockValues = 256;

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

// Elements side by side.
void read_blocks(const GgufType& type, const std::byte* data, std::int64_t first, std::span<float> values) {
    std::array<float, kMostBlockValues> whole;
    for (std::size_t done = 0; done < values.size();) {
        const std::int64_t element = first + static_cast<std::int64_t>(done);
        const std::byte* const block = data + element / type.block_values * type.block_bytes;
        const auto skipped = static_cast<std::size_t>(element % type.block_values);
        const std::size_t count = std::min(static_cast<std::size_t>(type.block_values) - skipped, values.size() - done);
        if (count == static_cast<std::size_t>(type.block_values)) {
            type.decode(block, values.data() + done);
        } else {
            type.decode(block, whole.data());
            std::copy_n(whole.begin() + skipped, count, values.begin() + static_cast<std::ptrdiff_t>(done));
        }
        done += count;
    }
}

// As they are stored.
void read_stored(const TensorInfo& tensor, std::int64_t first, std::int64_t stride, std::span<float> values) {
    if (const GgufType* const type = block_type(tensor.dtype)) {
        if (stride == 1) return read_blocks(*type, tensor.data.data(), first, values);
        for (std::size_t i = 0; i < values.size(); i++)
            read_blocks(*type, tensor.data.data(), first + static_cast<std::int64_t>(i) * stride, values.subspan(i, 1));
        return;
    }
    const auto from = [&]<typename Stored>(Stored, auto convert) {
        read<Stored>(tensor, first, stride, values, convert);
    };
    if (tensor.dtype == "F32") {
        if (stride != 1) return from(float(), [](float value) { return value; });
        std::memcpy(values.data(), tensor.data.data() + static_cast<std::size_t>(first) * sizeof(float),
                    values.size_bytes());
    } else if (tensor.dtype == "F16") {
        from(std::uint16_t(), [](std::uint16_t bits) { return fp16_ieee_to_fp32_value(bits); });
    } else if (tensor.dtype == "BF16") {
        from(std::uint16_t(),
             [](std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); });
    } else if (tensor.dtype == "I8") {
        from(std::int8_t(), [](std::int8_t level) { return static_cast<float>(level); });
    } else if (tensor.dtype == "F64") {
        from(double(), [](double value) { return static_cast<float>(value); });
    } else {
        const Float8Values& table = *float8_values(tensor.dtype);
        from(std::uint8_t(), [&](std::uint8_t byte) { return table[byte]; });
    }
}

// The row of the file that a row of the tensor is.
std::int64_t stored_row(const TensorInfo& tensor, std::int64_t row) {
    const std::int64_t head = tensor.paired_rows, half = head / 2, in_head = row % head;
    return row - in_head + 2 * (in_head % half) + in_head / half;
}

// Row by row, whichever part of each is asked for.
void read_paired(const TensorInfo& tensor, std::int64_t first, std::int64_t stride, std::span<float> values) {
    const std::int64_t columns = tensor.shape.front() == 0 ? 1 : elements_of(tensor) / tensor.shape.front();
    for (std::size_t done = 0; done < values.size();) {
        const std::int64_t element = first + static_cast<std::int64_t>(done) * stride, column = element % columns;
        const std::int64_t in_row = (columns - column + stride - 1) / stride;
        const std::size_t count = std::min(static_cast<std::size_t>(in_row), values.size() - done);
        read_stored(tensor, stored_row(tensor, element / columns) * columns + column, stride,
                    values.subspan(done, count));
        done += count;
    }
}

}  // namespace

bool has_unscaled_floats(const TensorInfo& tensor) {
    const GgufType* const block = block_type(tensor.dtype);
    if (block) return block->decode != nullptr;
    return tensor.dtype == "F32" || tensor.dtype == "F16" || tensor.dtype == "BF16" || tensor.dtype == "F64";
}

bool has_float_values(const TensorInfo& tensor) {
    return has_unscaled_floats(tensor) || float8_values(tensor.dtype) != nullptr;
}

bool has_values(const TensorInfo& tensor) {
    return tensor.dtype == "I8" || has_float_values(tensor);
}

std::vector<float> values_of(const TensorInfo& tensor) {
    OCTILE_CHECK_EQ(has_values(tensor), true);
    std::vector<float> values(static_cast<std::size_t>(elements_of(tensor)));
    read_values(tensor, 0, 1, values);
    return values;
}

void read_values(const TensorInfo& tensor, std::int64_t first, std::int64_t stride, std::span<float> values) {
    OCTILE_CHECK_EQ(has_values(tensor), true);
    if (values.empty()) return;
    if (tensor.paired_rows > 0)
        read_paired(tensor, first, stride, values);
    else
        read_stored(tensor, first, stride, values);
    if (tensor.shift == 0) return;
    for (float& value : values)
        value -= tensor.shift;
}

std::span<const std::byte> bytes_of(const TensorInfo& tensor, std::int64_t first, std::int64_t count) {
    if (count == 0 || tensor.data.empty()) return {};
    if (const GgufType* const type = block_type(tensor.dtype)) {
        const std::int64_t begin = first / type->block_values,
                           end = (first + count + type->block_values - 1) / type->block_values;
        return tensor.data.subspan(static_cast<std::size_t>(begin * type->block_bytes),
                                   static_cast<std::size_t>((end - begin) * type->block_bytes));
    }
    const std::int64_t each = static_cast<std::int64_t>(tensor.data.size()) / elements_of(tensor);
    return tensor.data.subspan(static_cast<std::size_t>(first * each), static_cast<std::size_t>(count * each));
}

}  // namespace octile
