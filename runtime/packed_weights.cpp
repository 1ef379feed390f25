#include "runtime/packed_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/int4_fit.h"
#include "runtime/parallel.h"

namespace octile {
namespace {

template <typename T>
T* at(const SharedBuffer& buffer, std::int64_t index) {
    return reinterpret_cast<T*>(const_cast<std::byte*>(buffer.data())) + index;
}

}  // namespace

std::byte* PackedWeights::panel_at(std::int64_t index) const {
    const Element element = precision() == Precision::kInt8 ? Element::kS8 : Element::kF16;
    return at<std::byte>(panel, index * kernels->panel_n() * padded_k() * size_of(element));
}

HalideBuffer PackedWeights::panel_buffer(std::int64_t first, std::int64_t count) const {
    const std::int64_t columns = kernels->panel_n();
    if (precision() == Precision::kInt8) {
        const std::int64_t k_block = kernels->k_block();
        return HalideBuffer(panel_at(first), halide_type_of(Element::kS8),
                            {k_block, columns, padded_k() / k_block, count});
    }
    return HalideBuffer(panel_at(first), halide_type_of(Element::kF16), {columns, padded_k(), count});
}

int PackedWeights::column_unit() const {
    return int4 ? std::lcm(kernels->column_unit(), 2 * kernels->panel_n()) : kernels->column_unit();
}

Status PackedWeights::allocate() {
    padded_columns = round_up(n, column_unit());
    if (matrices * padded_n() > kMaxElements / padded_k())
        return invalid(fmt::format("weights: [{}, {}]; expected at most {} elements in all", n, k, kMaxElements));
    const bool int8 = precision() == Precision::kInt8;
    const auto all_columns = static_cast<std::size_t>(matrices * padded_n());
    const std::size_t panel_bytes = all_columns * static_cast<std::size_t>(padded_k()) * (int8 ? 1 : 2);
    const std::size_t column_bytes = all_columns * sizeof(float);
    if (int4) {
        if (Status status = allocate_int4(); !status.ok()) return status;
    } else if (!panel.reserve(panel_bytes)) {
        return out_of_memory(panel_bytes);
    }
    if (!bias.reserve(column_bytes)) return out_of_memory(column_bytes);
    std::memset(bias.own_data(), 0, column_bytes);
    if (!int8) return {};
    if (!column_scale.reserve(column_bytes) || !column_sum.reserve(column_bytes)) return out_of_memory(column_bytes);
    return {};
}

Status PackedWeights::allocate_int4() {
    const Int4Panels panels = int4_panels();
    const auto q4 = static_cast<std::size_t>(matrices * panels.q4_bytes()),
               step = static_cast<std::size_t>(matrices * panels.step_bytes());
    if (!panel.reserve(q4)) return out_of_memory(q4);
    if (!steps.reserve(step)) return out_of_memory(step);
    return {};
}

Status PackedWeights::pack_int4(int matrix, const Int4View& weights, std::int64_t first) {
    const Int4Panels panels = int4_panels();
    const std::int64_t column = matrix * padded_n() + first, pairs = panels.pairs_of(weights.n);
    auto* q4 =
        at<std::uint8_t>(panel, matrix * panels.q4_bytes() + first / panels.pair_columns() * panels.pair_bytes());
    auto* step = at<std::uint8_t>(
        steps, matrix * panels.step_bytes() + first / panels.pair_columns() * panels.pair_step_bytes());
    const auto pack_range = [&](int, std::int64_t begin, std::int64_t end) {
        for (std::int64_t pair = begin; pair < end; pair++) {
            panels.pack(weights, pair, q4 + pair * panels.pair_bytes(), step + pair * panels.pair_step_bytes());
            const std::int64_t behind = std::min(weights.n, (pair + 1) * panels.pair_columns());
            for (std::int64_t row = pair * panels.pair_columns(); row < behind; row++)
                at<std::int32_t>(column_sum, column)[row] = int4_column_sum(weights, row);
        }
        return 0;
    };
    const int pieces = piece_count(pairs, 16.0 * static_cast<double>(weights.n) * static_cast<double>(k));
    FirstError error;
    if (Status status = error.take(parallel_pieces(pairs, pieces, pack_range)); !status.ok()) return status;
    std::memcpy(at<float>(column_scale, column), weights.scale.data(), weights.scale.size_bytes());
    if (first + weights.n < n) return {};
    // Columns that tiles compute beyond the last.
    const std::int64_t padding = padded_n() - n;
    std::fill_n(at<float>(column_scale, matrix * padded_n() + n), padding, 0.0f);
    std::fill_n(at<std::int32_t>(column_sum, matrix * padded_n() + n), padding, 0);
    return {};
}

Status PackedWeights::fit_and_pack_int4(int matrix, const char* name, const MatrixView& weights) {
    const std::int64_t rows = int4_rows_at_once(k, int4_panels().pair_columns());
    for (std::int64_t first = 0; first < n; first += rows) {
        const MatrixView block = block_of(weights, first, std::min(rows, n - first), 0, k);
        const Result<Int4Weights> fitted = fit_int4(name, block, first);
        if (!fitted.ok()) return fitted.status();
        if (Status status = pack_int4(matrix, view_of(fitted.value()), first); !status.ok()) return status;
    }
    return {};
}

Status PackedWeights::unpack(int matrix, std::int64_t first, std::int64_t count, std::byte* panels) const {
    const Int4Panels from = int4_panels();
    const std::int64_t width = from.panel_n * from.k_block / 2, blocks = from.padded_k() / from.k_block,
                       columns = from.panel_n, groups = int4_groups(k);
    const halide_type_t pair_type(halide_type_uint, 16), byte_type(halide_type_uint, 8);
    HalideBuffer q4(at<std::byte>(panel, matrix * from.q4_bytes() + first * from.pair_bytes()), pair_type,
                    {width, blocks, count});
    const auto* step = at<std::byte>(steps, matrix * from.step_bytes() + first * from.pair_step_bytes());
    HalideBuffer s4(step, byte_type,
                    std::initializer_list<HalideBuffer::Dimension>{
                        {columns, 1}, {groups, from.group_step_bytes()}, {count, from.pair_step_bytes()}});
    HalideBuffer c8(
        step + columns, byte_type,
        std::initializer_list<HalideBuffer::Dimension>{
            {columns, 1}, {2, columns}, {groups, from.group_step_bytes()}, {count, from.pair_step_bytes()}});
    HalideBuffer target(panels, pair_type, {width, blocks, std::int64_t{2}, count});
    return call_kernel(*kernels->unpack(), {q4, s4, c8, target});
}

Status PackedWeights::pack(int matrix, const char* name, const MatrixView& weights, std::span<const float> scale) {
    if (int4) return fit_and_pack_int4(matrix, name, weights);
    const Kernel* kernel = kernels->pack_weights(weights.type);
    if (!kernel) {
        return Status(StatusCode::kUnsupported, fmt::format("no kernel packs {} weights of type {}",
                                                            name_of(precision()), name_of(weights.type)));
    }
    if (Status status = pack_panels(*kernel, matrix, weights); !status.ok()) return status;
    if (!scale.empty()) {
        float* scales = at<float>(column_scale, matrix * padded_n());
        std::memset(scales, 0, static_cast<std::size_t>(padded_n()) * sizeof(float));
        std::memcpy(scales, scale.data(), scale.size_bytes());
    }
    return check_finite(matrix, name, weights);
}

Status PackedWeights::pack_panels(const Kernel& kernel, int matrix, const MatrixView& weights) {
    const std::int64_t columns = kernels->panel_n(), panels = padded_n() / columns;
    const bool dynamic = precision() == Precision::kInt8 && kernel.info.scaling == Scaling::kDynamic;
    SharedBuffer magnitudes;
    const auto magnitude_bytes = static_cast<std::size_t>(padded_n()) * sizeof(std::int32_t);
    if (dynamic && !magnitudes.reserve(magnitude_bytes)) return out_of_memory(magnitude_bytes);
    FirstError error;
    const auto pack_range = [&](int, std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; p++) {
            // Columns beyond N repeat the last one: nothing is stored of them, and no kernel has to be told.
            const std::int64_t first = std::min(p * columns, n - 1), column = matrix * padded_n() + p * columns;
            HalideBuffer x = matrix_buffer(block_of(weights, first, std::min(columns, n - first), 0, k));
            HalideBuffer packed = panel_buffer(column / columns, 1);
            Status status;
            if (precision() == Precision::kFp16) {
                status = call_kernel(kernel, {x, packed});
            } else {
                HalideBuffer sum(at<std::int32_t>(column_sum, column), kInt32, {columns, std::int64_t{1}});
                HalideBuffer scale(at<float>(column_scale, column), kFloat32, {columns});
                HalideBuffer magnitude(at<std::int32_t>(magnitudes, p * columns), kInt32, {columns});
                status = dynamic ? call_kernel(kernel, {x, packed, scale, magnitude, sum})
                                 : call_kernel(kernel, {x, packed, sum});
            }
            if (!status.ok()) return error.keep(std::move(status));
        }
        return 0;
    };
    const int pieces = piece_count(panels, static_cast<double>(n) * static_cast<double>(k));
    return error.take(parallel_pieces(panels, pieces, pack_range));
}

Status PackedWeights::check_finite(int matrix, const char* name, const MatrixView& weights) const {
    if (precision() == Precision::kInt8) {
        const std::int64_t channel = first_non_finite(at<float>(column_scale, matrix * padded_n()), n);
        if (channel < 0) return {};
        return Status(StatusCode::kNonFinite,
                      fmt::format("{}: output channel {} holds NaN or infinity", name, channel));
    }
    const std::int64_t columns = kernels->panel_n(), first = matrix * padded_n() / columns;
    for (std::int64_t p = 0; p * columns < n; p++) {
        const auto* values = reinterpret_cast<const std::uint16_t*>(panel_at(first + p));
        const std::int64_t count = padded_k() * columns;
        if (all_finite_f16(values, count)) continue;
        constexpr std::uint16_t kInfinity = 0x7c00, kMagnitude = 0x7fff;
        std::int64_t lowest = columns;  // a panel holds its columns side by side
        for (std::int64_t i = 0; i < count; i++) {
            if ((values[i] & kMagnitude) >= kInfinity) lowest = std::min(lowest, i % columns);
        }
        const std::int64_t channel = std::min(p * columns + lowest, n - 1);
        const bool beyond =
            weights.type != DataType::kF16 && first_beyond_f16(block_of(weights, channel, 1, 0, k)) == 0;
        return Status(StatusCode::kNonFinite,
                      fmt::format("{}: output channel {} holds {}", name, channel,
                                  beyond ? "a magnitude beyond 65504, the largest of f16; INT8 has no such limit"
                                         : "NaN or infinity"));
    }
    return {};
}

void PackedWeights::set_bias(int matrix, std::span<const float> values) {
    if (!values.empty()) std::memcpy(at<float>(bias, matrix * padded_n()), values.data(), values.size_bytes());
}

}  // namespace octile
