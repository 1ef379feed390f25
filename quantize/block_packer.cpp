#include "quantize/block_packer.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "inputs/tensor_values.h"
#include "runtime/linear_parts.h"
#include "runtime/matrix.h"

namespace octile {
namespace {

// Rows [first, first + count) as a tensor of their own.
TensorInfo rows_of(const TensorInfo& tensor, std::int64_t first, std::int64_t count) {
    TensorInfo rows = {
        .name = {}, .dtype = tensor.dtype, .type = tensor.type, .shape = {count, tensor.shape[1]}, .data = {}};
    const std::size_t row_bytes = tensor.data.size() / static_cast<std::size_t>(tensor.shape[0]);
    rows.data =
        tensor.data.subspan(static_cast<std::size_t>(first) * row_bytes, static_cast<std::size_t>(count) * row_bytes);
    return rows;
}

}  // namespace

BlockPacker::BlockPacker(const LinearTensor& tensor, Precision precision, std::span<const float> smoothing, IsaSet isas)
    : tensor_(tensor), precision_(precision), smoothing_(smoothing), isas_(isas) {
    if (tensor.scale == nullptr) return;
    scales_of_levels_ = values_of(*tensor.scale);
    if (scales_of_levels_.size() == 1)
        scales_of_levels_.assign(static_cast<std::size_t>(tensor.layer.n), scales_of_levels_.front());
}

Result<Linear> BlockPacker::pack(std::int64_t first, std::int64_t count) {
    const std::int64_t k = tensor_.layer.k;
    const TensorInfo rows = rows_of(*tensor_.weight, first, count);
    const LinearOptions options = {.precision = precision_};
    const auto scales = std::span<const float>(scales_of_levels_);
    if (!scales.empty() && precision_ == Precision::kInt8) {
        return Linear::pack_quantized({rows.data.data(), DataType::kI8, count, k, k},
                                      scales.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
                                      {}, options, isas_);
    }
    if (!scales.empty() || !smoothing_.empty()) {
        floats_ = values_of(rows);
        for (std::size_t i = 0; i < floats_.size(); i++) {
            const std::size_t row = i / static_cast<std::size_t>(k), column = i % static_cast<std::size_t>(k);
            floats_[i] *= scales.empty() ? smoothing_[column] : scales[static_cast<std::size_t>(first) + row];
        }
        return Linear::pack({floats_.data(), DataType::kF32, count, k, k}, {}, options, isas_);
    }
    const void* data = rows.data.data();
    if (reinterpret_cast<std::uintptr_t>(data) % size_of(*rows.type) != 0) {
        if (!copy_.reserve(rows.data.size())) return out_of_memory(rows.data.size());
        std::memcpy(copy_.data(), data, rows.data.size());
        data = copy_.data();
    }
    return Linear::pack({data, *rows.type, count, k, k}, {}, options, isas_);
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
