#include "runtime/linear_parts.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/packed_weights.h"
#include "runtime/parallel.h"

namespace octile {
namespace {

// The values of each matrix's real channels; zeros behind them.
template <typename T>
void copy_columns(std::span<const T> from, const LinearParts& parts, const PackedWeights& weights, std::byte* to) {
    if (from.empty()) return;
    const auto padded = static_cast<std::size_t>(weights.padded_n()), real = static_cast<std::size_t>(parts.n);
    std::memset(to, 0, static_cast<std::size_t>(parts.matrices) * padded * sizeof(T));
    for (int matrix = 0; matrix < parts.matrices; matrix++) {
        const auto source = from.subspan(static_cast<std::size_t>(matrix * parts.padded_n), real);
        std::memcpy(to + static_cast<std::size_t>(matrix) * padded * sizeof(T), source.data(), source.size_bytes());
    }
}

}  // namespace

PanelShape LinearParts::shape() const {
    return {n, k, padded_n, round_up(k, kReductionPadding)};
}

Int4Weights LinearParts::int4_rows(int matrix, std::int64_t first, std::int64_t count) const {
    const Int4Panels from = int4_panels();
    const std::int64_t groups = int4_groups(k);
    const auto rows = static_cast<std::size_t>(count);
    Int4Weights weights{.n = count, .k = k, .q4 = {}, .s4 = {}, .c8 = {}, .scale = {}};
    weights.q4.resize(rows * static_cast<std::size_t>(k));
    weights.s4.resize(rows * static_cast<std::size_t>(groups));
    weights.c8.resize(weights.s4.size());
    const float* scales = column_scale.data() + matrix * padded_n + first;
    weights.scale.assign(scales, scales + count);
    const auto* q4 = reinterpret_cast<const std::uint8_t*>(panels.data()) + matrix * from.q4_bytes();
    const auto* step = reinterpret_cast<const std::uint8_t*>(steps.data()) + matrix * from.step_bytes();
    const int pieces = piece_count(count, 4.0 * static_cast<double>(count) * static_cast<double>(k));
    parallel_pieces(count, pieces, [&](int, std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; row++) {
            const std::int64_t pair = (first + row) / from.pair_columns(),
                               in_pair = (first + row) % from.pair_columns();
            from.unpack_row(q4 + pair * from.pair_bytes(), step + pair * from.pair_step_bytes(), in_pair,
                            weights.q4.data() + row * k, weights.s4.data() + row * groups,
                            weights.c8.data() + row * groups);
        }
        return 0;
    });
    return weights;
}

void LinearParts::unpack(int matrix, std::byte* rows) const {
    if (options.precision != Precision::kInt4)
        return from_panels(layout, shape(), panels.data() + matrix * shape().bytes(layout), rows);
    const Int4Weights weights = int4_rows(matrix, 0, n);
    const Int4View view = view_of(weights);
    for (std::int64_t row = 0; row < n; row++)
        for (std::int64_t i = 0; i < k; i++)
            rows[row * k + i] = static_cast<std::byte>(int4_level(view, row, i));
}

namespace {

// Some rows at a time, from whole pairs of panels to whole pairs.
Status repack_int4(const LinearParts& parts, PackedWeights& weights) {
    const std::int64_t rows =
        int4_rows_at_once(parts.k, std::lcm(parts.int4_panels().pair_columns(), weights.int4_panels().pair_columns()));
    for (int matrix = 0; matrix < parts.matrices; matrix++) {
        for (std::int64_t first = 0; first < parts.n; first += rows) {
            const Int4Weights block = parts.int4_rows(matrix, first, std::min(rows, parts.n - first));
            if (Status status = weights.pack_int4(matrix, view_of(block), first); !status.ok()) return status;
        }
    }
    copy_columns(parts.bias, parts, weights, weights.bias.own_data());
    return {};
}

}  // namespace

Status repack(const LinearParts& parts, PackedWeights& weights) {
    if (parts.options.precision == Precision::kInt4) return repack_int4(parts, weights);
    AlignedBuffer rows;
    const PanelShape from = parts.shape(), to = {parts.n, parts.k, weights.padded_n(), weights.padded_k()};
    const auto row_bytes = static_cast<std::size_t>(parts.n * parts.k * parts.layout.element_bytes);
    if (!rows.reserve(row_bytes)) return out_of_memory(row_bytes);
    for (int matrix = 0; matrix < parts.matrices; matrix++) {
        from_panels(parts.layout, from, parts.panels.data() + matrix * from.bytes(parts.layout), rows.data());
        to_panels(weights.layout(), to, rows.data(), weights.panel.own_data() + matrix * to.bytes(weights.layout()));
    }
    copy_columns(parts.column_scale, parts, weights, weights.column_scale.own_data());
    copy_columns(parts.column_sum, parts, weights, weights.column_sum.own_data());
    copy_columns(parts.bias, parts, weights, weights.bias.own_data());
    return {};
}

}  // namespace octile
