#include "quantize/block_packer.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "runtime/linear_parts.h"
#include "runtime/matrix.h"

namespace octile {
BlockPacker::BlockPacker(const LinearTensor& tensor, Precision precision, std::span<const float> smoothing, IsaSet isas)
    : tensor_(tensor), precision_(precision), smoothing_(smoothing), isas_(isas) {}

Result<Linear> BlockPacker::pack(std::int64_t first, std::int64_t count) {
    const std::int64_t k = tensor_.layer.k;
    const WeightMatrix rows = tensor_.weight.rows(first, count);
    const LinearOptions options = {.precision = precision_};
    if (rows.is_int8() && precision_ == Precision::kInt8) {
        const Int8Rows int8 = int8_rows_of(rows);
        return Linear::pack_quantized({int8.levels.data(), DataType::kI8, count, k, k}, int8.scales, {}, options,
                                      isas_);
    }
    if (!rows.in_place() || !smoothing_.empty()) {
        floats_ = values_of(rows);
        if (!smoothing_.empty()) {
            for (std::size_t i = 0; i < floats_.size(); i++)
                floats_[i] *= smoothing_[i % static_cast<std::size_t>(k)];
        }
        return Linear::pack({floats_.data(), DataType::kF32, count, k, k}, {}, options, isas_);
    }
    const DataType type = *rows.tensor->type;
    const std::span<const std::byte> bytes = rows.span();
    const void* data = bytes.data();
    if (reinterpret_cast<std::uintptr_t>(data) % size_of(type) != 0) {
        if (!copy_.reserve(bytes.size())) return out_of_memory(bytes.size());
        std::memcpy(copy_.data(), data, bytes.size());
        data = copy_.data();
    }
    return Linear::pack({data, type, count, k, rows.row_stride}, {}, options, isas_);
}

Status BlockPacker::load(std::int64_t first, std::int64_t count) {
    const Result<Linear> linear = pack(first, count);
    // A message names a channel of the block: said again for the whole layer.
    if (!linear.ok()) return count == tensor_.layer.n ? linear.status() : pack(0, tensor_.layer.n).status();
    const LinearParts parts = LinearParts::of(linear.value());
    const auto bytes = static_cast<std::size_t>(count * tensor_.layer.k * parts.layout.element_bytes);
    if (!rows_.reserve(bytes)) return out_of_memory(bytes);
    from_panels(parts.layout, parts.shape(), parts.panels.data(), rows_.data());
    count_ = count;
    if (precision_ == Precision::kInt8) {
        scale_.assign(parts.column_scale.begin(), parts.column_scale.begin() + count);
        sum_.assign(parts.column_sum.begin(), parts.column_sum.begin() + count);
    }
    return {};
}

std::span<const std::byte> BlockPacker::panels(const WeightLayout& layout, std::int64_t columns) {
    const std::int64_t k = tensor_.layer.k;
    const PanelShape shape{count_, k, columns, round_up(k, kReductionPadding)};
    const auto bytes = static_cast<std::size_t>(shape.bytes(layout));
    if (!panels_.reserve(bytes)) throw std::bad_alloc();
    to_panels(layout, shape, rows_.data(), panels_.data());
    return {panels_.data(), bytes};
}

}  // namespace octile
