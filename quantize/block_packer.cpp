#include "quantize/block_packer.h"

#include <fp16.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "runtime/linear_parts.h"
#include "runtime/matrix.h"
#include "runtime/parallel.h"

namespace octile {
BlockPacker::BlockPacker(const LinearTensor& tensor, Precision precision, std::span<const float> smoothing, IsaSet isas)
    : tensor_(tensor), precision_(precision), smoothing_(smoothing), isas_(isas) {}

Result<MatrixView> BlockPacker::floats(const WeightMatrix& rows) {
    const std::int64_t k = tensor_.layer.k, count = rows.n;
    if (!rows.in_place() || !smoothing_.empty()) {
        floats_ = values_of(rows);
        if (!smoothing_.empty()) {
            for (std::size_t i = 0; i < floats_.size(); i++)
                floats_[i] *= smoothing_[i % static_cast<std::size_t>(k)];
        }
        return MatrixView{floats_.data(), DataType::kF32, count, k, k};
    }
    const DataType type = *rows.tensor->type;
    const std::span<const std::byte> bytes = rows.span();
    const void* data = bytes.data();
    if (reinterpret_cast<std::uintptr_t>(data) % size_of(type) != 0) {
        if (!copy_.reserve(bytes.size())) return out_of_memory(bytes.size());
        std::memcpy(copy_.data(), data, bytes.size());
        data = copy_.data();
    }
    return MatrixView{data, type, count, k, rows.row_stride};
}

Result<Linear> BlockPacker::pack(std::int64_t first, std::int64_t count) {
    const std::int64_t k = tensor_.layer.k;
    const WeightMatrix rows = tensor_.weight.rows(first, count);
    const LinearOptions options = {.precision = precision_};
    if (rows.is_int8() && precision_ == Precision::kInt8) {
        const Int8Rows int8 = int8_rows_of(rows);
        if (measures_) floats_ = values_of(rows);
        return Linear::pack_quantized({int8.levels.data(), DataType::kI8, count, k, k}, int8.scales, {}, options,
                                      isas_);
    }
    const Result<MatrixView> weights = floats(rows);
    if (!weights.ok()) return weights.status();
    return Linear::pack(weights.value(), {}, options, isas_);
}

Status BlockPacker::load_int4(std::int64_t first, std::int64_t count) {
    const Result<MatrixView> weights = floats(tensor_.weight.rows(first, count));
    if (!weights.ok()) return weights.status();
    Result<Int4Weights> fitted = fit_int4("weights", weights.value(), first);
    if (!fitted.ok()) return fitted.status();
    int4_ = std::move(fitted).value();
    count_ = count;
    scale_ = int4_.scale;
    sum_.resize(static_cast<std::size_t>(count));
    for (std::int64_t row = 0; row < count; row++)
        sum_[static_cast<std::size_t>(row)] = int4_column_sum(view_of(int4_), row);
    if (measures_) add_error();
    return {};
}

Status BlockPacker::load(std::int64_t first, std::int64_t count) {
    if (precision_ == Precision::kInt4) return load_int4(first, count);
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
    if (measures_) add_error();
    return {};
}

std::span<const std::byte> BlockPacker::int4_panels(const WeightLayout& layout) {
    const Int4Panels panels{layout.k_block, layout.panel_n, count_, int4_.k};
    const auto bytes = static_cast<std::size_t>(panels.q4_bytes());
    step_bytes_ = static_cast<std::size_t>(panels.step_bytes());
    if (!panels_.reserve(bytes) || !steps_.reserve(step_bytes_)) throw std::bad_alloc();
    auto* q4 = reinterpret_cast<std::uint8_t*>(panels_.data());
    auto* steps = reinterpret_cast<std::uint8_t*>(steps_.data());
    const Int4View weights = view_of(int4_);
    const int pieces = piece_count(panels.pairs(), 16.0 * static_cast<double>(bytes));
    parallel_pieces(panels.pairs(), pieces, [&](int, std::int64_t begin, std::int64_t end) {
        for (std::int64_t pair = begin; pair < end; pair++)
            panels.pack(weights, pair, q4 + pair * panels.pair_bytes(), steps + pair * panels.pair_step_bytes());
        return 0;
    });
    return {panels_.data(), bytes};
}

std::span<const std::byte> BlockPacker::steps() const {
    return {steps_.data(), step_bytes_};
}

// Of what is packed beside floats_, both smoothed where one is.
void BlockPacker::add_error() {
    const auto k = static_cast<std::size_t>(tensor_.layer.k);
    const Int4View int4 = view_of(int4_);
    const auto packed_at = [&](std::size_t row, std::size_t column) -> double {
        const std::size_t i = row * k + column;
        if (precision_ == Precision::kFp16) {
            std::uint16_t half = 0;
            std::memcpy(&half, rows_.data() + i * sizeof(half), sizeof(half));
            return fp16_ieee_to_fp32_value(half);
        }
        const int level = precision_ == Precision::kInt4
                              ? int4_level(int4, static_cast<std::int64_t>(row), static_cast<std::int64_t>(column))
                              : static_cast<std::int8_t>(rows_.data()[i]);
        return scale_[row] * static_cast<float>(level);
    };
    for (std::size_t i = 0; i < floats_.size(); i++) {
        const double s = smoothing_.empty() ? 1 : smoothing_[i % k];
        const double weight = floats_[i] / s, difference = packed_at(i / k, i % k) / s - weight;
        signal_ += weight * weight;
        noise_ += difference * difference;
    }
}

double BlockPacker::sqnr_db() const {
    return noise_ == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(signal_ / noise_);
}

std::span<const std::byte> BlockPacker::panels(const WeightLayout& layout, std::int64_t columns) {
    if (precision_ == Precision::kInt4) return int4_panels(layout);
    const std::int64_t k = tensor_.layer.k;
    const PanelShape shape{count_, k, columns, round_up(k, kReductionPadding)};
    const auto bytes = static_cast<std::size_t>(shape.bytes(layout));
    if (!panels_.reserve(bytes)) throw std::bad_alloc();
    to_panels(layout, shape, rows_.data(), panels_.data());
    return {panels_.data(), bytes};
}

}  // namespace octile
