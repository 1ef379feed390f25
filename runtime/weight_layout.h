// The order of weights in packed panels, as data: docs/layouts.md draws it. Packing is a kernel's work as a rule; here
// it is done, and undone, for any level of any architecture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "octile/cpu.h"
#include "octile/types.h"

namespace octile {

// panel[k_in, row, k_out, p] = rows[row + panel_n * p, k_in + k_block * k_out], k_in innermost. FP16 has k_block 1.
struct WeightLayout {
    int element_bytes = 1;  // 1: int8 levels; 2: f16
    int k_block = 1;
    int panel_n = 1;  // output channels of a panel

    bool operator==(const WeightLayout&) const = default;
};

struct LevelLayout {
    Isa isa;
    Precision precision;
    WeightLayout layout;
    int column_unit;  // output channels are padded to a multiple of it
};

// Of every level of every architecture, whatever this build has kernels for.
std::span<const LevelLayout> level_layouts();

// The layouts that CPUs read whose highest levels are those of `levels`, each with the lower ones of its architecture:
// for int8 on i8mm, its own; for FP16 there, that of fp16. Each once.
std::vector<WeightLayout> layouts_of(IsaSet levels, Precision precision);

// n with the padding of every level that reads the layout.
std::int64_t padded_channels(const WeightLayout& layout, Precision precision, std::int64_t n);

// Levels that read such panels of `padded_n` output channels, n of them real.
IsaSet readers_of(const WeightLayout& layout, Precision precision, std::int64_t padded_n, std::int64_t n);

// Rows [n, k], dense, into panels of `columns` output channels, n of them real: what is behind repeats the last, and K
// is padded with zeros to `padded_k`. `columns` is a multiple of panel_n, padded_k of k_block.
struct PanelShape {
    std::int64_t n, k, columns, padded_k;

    std::int64_t bytes(const WeightLayout& layout) const { return columns * padded_k * layout.element_bytes; }
};
void to_panels(const WeightLayout& layout, const PanelShape& shape, const std::byte* rows, std::byte* panels);

// The rows again.
void from_panels(const WeightLayout& layout, const PanelShape& shape, const std::byte* panels, std::byte* rows);

}  // namespace octile
