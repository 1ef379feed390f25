#include "runtime/weight_layout.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/check.h"
#include "runtime/parallel.h"

namespace octile {
namespace {

constexpr LevelLayout kLevelLayouts[] = {
#include "level_layouts.inc"
};

// k_block elements, which lie side by side in rows and panels alike, are a block. Calls move(its place in the rows, its
// place in the panel, its bytes) for every block of the panel's first `rows` rows. The last block of a row may be a
// partial one.
template <std::size_t kBlockBytes, typename Move>
void for_each_block(const WeightLayout& layout, const PanelShape& shape, std::int64_t panel, std::int64_t rows,
                    Move move) {
    const std::int64_t row_bytes = shape.k * layout.element_bytes;
    const std::int64_t step = layout.panel_n * static_cast<std::int64_t>(kBlockBytes);
    const std::int64_t whole = row_bytes / static_cast<std::int64_t>(kBlockBytes);
    const std::int64_t rest = row_bytes % static_cast<std::int64_t>(kBlockBytes);
    // A few cache lines of every row at once: the panel's lines they belong to are filled before they leave the cache.
    constexpr std::int64_t kBlocksAtOnce = 256 / static_cast<std::int64_t>(kBlockBytes);
    for (std::int64_t first = 0; first < whole; first += kBlocksAtOnce) {
        const std::int64_t end = std::min(first + kBlocksAtOnce, whole);
        for (std::int64_t row = 0; row < rows; row++) {
            std::int64_t in_row =
                (panel * layout.panel_n + row) * row_bytes + first * static_cast<std::int64_t>(kBlockBytes);
            std::int64_t in_panel = first * step + row * static_cast<std::int64_t>(kBlockBytes);
            for (std::int64_t block = first; block < end; block++) {
                move(in_row, in_panel, kBlockBytes);
                in_row += static_cast<std::int64_t>(kBlockBytes);
                in_panel += step;
            }
        }
    }
    if (rest == 0) return;
    for (std::int64_t row = 0; row < rows; row++) {
        move((panel * layout.panel_n + row + 1) * row_bytes - rest,
             whole * step + row * static_cast<std::int64_t>(kBlockBytes), static_cast<std::size_t>(rest));
    }
}

template <std::size_t kBlockBytes>
void copy(std::byte* to, const std::byte* from, std::size_t bytes) {
    if (bytes == kBlockBytes) {
        std::memcpy(to, from, kBlockBytes);
    } else {
        std::memcpy(to, from, bytes);
    }
}

template <std::size_t kBlockBytes>
void pack_panel(const WeightLayout& layout, const PanelShape& shape, std::int64_t p, const std::byte* rows,
                std::byte* panel) {
    const std::int64_t present = std::clamp<std::int64_t>(shape.n - p * layout.panel_n, 0, layout.panel_n);
    const std::int64_t block_rows = shape.padded_k / layout.k_block;
    if (shape.padded_k > shape.k) {
        const std::int64_t from = shape.k / layout.k_block;
        const std::int64_t step = layout.panel_n * static_cast<std::int64_t>(kBlockBytes);
        std::memset(panel + from * step, 0, static_cast<std::size_t>((block_rows - from) * step));
    }
    for_each_block<kBlockBytes>(layout, shape, p, present,
                                [&](std::int64_t in_row, std::int64_t in_panel, std::size_t bytes) {
                                    copy<kBlockBytes>(panel + in_panel, rows + in_row, bytes);
                                });
    if (present == layout.panel_n) return;
    // Rows that are not there: the last real one, of this panel or of the one before, block by block.
    const std::int64_t row_bytes = shape.k * layout.element_bytes;
    const std::byte* last = rows + (shape.n - 1) * row_bytes;
    for (std::int64_t block = 0; block * static_cast<std::int64_t>(kBlockBytes) < row_bytes; block++) {
        const std::int64_t at = block * static_cast<std::int64_t>(kBlockBytes);
        const auto bytes = static_cast<std::size_t>(std::min(row_bytes - at, static_cast<std::int64_t>(kBlockBytes)));
        for (std::int64_t row = present; row < layout.panel_n; row++) {
            copy<kBlockBytes>(panel + (block * layout.panel_n + row) * static_cast<std::int64_t>(kBlockBytes),
                              last + at, bytes);
        }
    }
}

template <std::size_t kBlockBytes>
void unpack_panel(const WeightLayout& layout, const PanelShape& shape, std::int64_t p, const std::byte* panel,
                  std::byte* rows) {
    const std::int64_t present = std::clamp<std::int64_t>(shape.n - p * layout.panel_n, 0, layout.panel_n);
    for_each_block<kBlockBytes>(layout, shape, p, present,
                                [&](std::int64_t in_row, std::int64_t in_panel, std::size_t bytes) {
                                    copy<kBlockBytes>(rows + in_row, panel + in_panel, bytes);
                                });
}

// Calls run(integral constant of the bytes of a block).
template <typename Run>
void with_block_bytes(const WeightLayout& layout, Run run) {
    switch (layout.element_bytes * layout.k_block) {
        case 1:
            return run(std::integral_constant<std::size_t, 1>());
        case 2:
            return run(std::integral_constant<std::size_t, 2>());
        case 4:
            return run(std::integral_constant<std::size_t, 4>());
        case 8:
            return run(std::integral_constant<std::size_t, 8>());
        case 16:
            return run(std::integral_constant<std::size_t, 16>());
    }
    OCTILE_CHECK_EQ(layout.element_bytes * layout.k_block, 16);
}

// Calls body(panel number, offset of its bytes) for all panels, on all threads.
template <typename Body>
void for_each_panel(const WeightLayout& layout, const PanelShape& shape, Body body) {
    OCTILE_CHECK_EQ(shape.columns % layout.panel_n, 0);
    OCTILE_CHECK_EQ(shape.padded_k % layout.k_block, 0);
    OCTILE_CHECK_LE(shape.n, shape.columns);
    const std::int64_t panels = shape.columns / layout.panel_n;
    const std::int64_t panel_bytes = layout.panel_n * shape.padded_k * layout.element_bytes;
    const int pieces = piece_count(panels, static_cast<double>(shape.columns) * static_cast<double>(shape.padded_k));
    parallel_pieces(panels, pieces, [&](int, std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; p++)
            body(p, p * panel_bytes);
        return 0;
    });
}

}  // namespace

std::span<const LevelLayout> level_layouts() {
    return kLevelLayouts;
}

std::vector<WeightLayout> layouts_of(IsaSet levels, Precision precision) {
    const auto is_arm = [](Isa isa) { return isa >= Isa::kNeon; };
    std::vector<WeightLayout> layouts;
    for (int i = 0; i < kIsaCount; i++) {
        const auto highest = static_cast<Isa>(i);
        if (!levels.has(highest)) continue;
        const LevelLayout* best = nullptr;
        for (const LevelLayout& level : kLevelLayouts) {
            if (level.precision != precision || level.isa > highest || is_arm(level.isa) != is_arm(highest)) continue;
            if (!best || level.isa > best->isa) best = &level;
        }
        OCTILE_CHECK_EQ(best != nullptr, true);
        if (std::find(layouts.begin(), layouts.end(), best->layout) == layouts.end()) layouts.push_back(best->layout);
    }
    return layouts;
}

std::int64_t padded_channels(const WeightLayout& layout, Precision precision, std::int64_t n) {
    std::int64_t padded = (n + layout.panel_n - 1) / layout.panel_n * layout.panel_n;
    for (const LevelLayout& level : kLevelLayouts) {
        if (level.precision != precision || level.layout != layout) continue;
        padded = std::max(padded, (n + level.column_unit - 1) / level.column_unit * level.column_unit);
    }
    return padded;
}

IsaSet readers_of(const WeightLayout& layout, Precision precision, std::int64_t padded_n, std::int64_t n) {
    IsaSet readers;
    for (const LevelLayout& level : kLevelLayouts) {
        const std::int64_t needed = (n + level.column_unit - 1) / level.column_unit * level.column_unit;
        if (level.precision == precision && level.layout == layout && padded_n >= needed) readers.add(level.isa);
    }
    return readers;
}

void to_panels(const WeightLayout& layout, const PanelShape& shape, const std::byte* rows, std::byte* panels) {
    with_block_bytes(layout, [&](auto block_bytes) {
        for_each_panel(layout, shape, [&](std::int64_t p, std::int64_t offset) {
            pack_panel<block_bytes()>(layout, shape, p, rows, panels + offset);
        });
    });
}

void from_panels(const WeightLayout& layout, const PanelShape& shape, const std::byte* panels, std::byte* rows) {
    with_block_bytes(layout, [&](auto block_bytes) {
        for_each_panel(layout, shape, [&](std::int64_t p, std::int64_t offset) {
            unpack_panel<block_bytes()>(layout, shape, p, panels + offset, rows);
        });
    });
}

}  // namespace octile
