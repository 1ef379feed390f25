// INT4 weights in panels: docs/layouts.md draws them. Two panels of INT8 are stored as one, with two q4 to a byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "octile/linear.h"

namespace octile {

inline constexpr std::int64_t kInt4Group = 32;  // consecutive k of one output channel that share s4 and c8

constexpr std::int64_t int4_groups(std::int64_t k) {
    return (k + kInt4Group - 1) / kInt4Group;
}

// Rows of k that are in the form of a byte to a level at once, in whole units: those bytes are beside what is packed.
constexpr std::int64_t int4_rows_at_once(std::int64_t k, std::int64_t unit) {
    constexpr std::int64_t kLevels = 16 << 20;
    return kLevels / k < unit ? unit : kLevels / k / unit * unit;
}

// Level i of output channel `row`, of weights that check_int4() takes.
inline int int4_level(const Int4View& weights, std::int64_t row, std::int64_t i) {
    const auto group = static_cast<std::size_t>(row * int4_groups(weights.k) + i / kInt4Group);
    return weights.s4[group] * weights.q4[static_cast<std::size_t>(row * weights.k + i)] + weights.c8[group];
}

// kInvalidArgument, naming the output channel, unless everything but the scales is as Int4View says.
Status check_int4(const Int4View& weights);

// Of one matrix [n, k]: its pairs of panels behind one another, and, in memory of their own, the pairs' steps: for each
// group panel_n bytes of s4, low half for the first panel and high half for the second, then c8 of the first and of the
// second.
struct Int4Panels {
    std::int64_t k_block, panel_n;  // INT8's
    std::int64_t n, k;

    std::int64_t padded_k() const { return int4_groups(k) * kInt4Group; }
    std::int64_t pair_columns() const { return 2 * panel_n; }
    std::int64_t pairs_of(std::int64_t columns) const { return (columns + pair_columns() - 1) / pair_columns(); }
    std::int64_t pairs() const { return pairs_of(n); }
    std::int64_t pair_bytes() const { return panel_n * padded_k(); }
    std::int64_t group_step_bytes() const { return 3 * panel_n; }
    std::int64_t pair_step_bytes() const { return group_step_bytes() * int4_groups(k); }
    std::int64_t q4_bytes() const { return pairs() * pair_bytes(); }
    std::int64_t step_bytes() const { return pairs() * pair_step_bytes(); }
    // Of the byte of element i of a column, in its pair.
    std::int64_t place_of(std::int64_t column, std::int64_t i) const {
        return i % k_block + k_block * (column + panel_n * (i / k_block));
    }

    // Pair `pair` of the rows of `weights`; beyond the last row, that one again. c8 + 8 s4 <= 127 afterwards: q4 counts
    // from where it has to.
    void pack(const Int4View& weights, std::int64_t pair, std::uint8_t* q4, std::uint8_t* steps) const;

    // kParseError, naming group and column, for steps of which some level is none of a byte; of any number of matrices.
    Status check_steps(std::span<const std::byte> steps) const;

    // Row `row` of the pair at `q4` and `steps`, as pack() stored it: q4 [k], s4 and c8 [groups].
    void unpack_row(const std::uint8_t* q4, const std::uint8_t* steps, std::int64_t row, std::uint8_t* row_q4,
                    std::uint8_t* row_s4, std::int8_t* row_c8) const;
};

// The sum of a row's levels as GEMMs meet them: those in the padding of K included, which are c8 of the last group.
std::int32_t int4_column_sum(const Int4View& weights, std::int64_t row);

}  // namespace octile
