#include "runtime/linear_parts.h"

#include <cstring>

#include "runtime/packed_weights.h"

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

Status repack(const LinearParts& parts, PackedWeights& weights) {
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
