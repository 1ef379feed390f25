#include "runtime/int4_panels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "runtime/matrix.h"

namespace octile {
namespace {

// What is to be true of every element of a channel. -1 if it is, else the place of the first that it is not true of.
template <typename Holds>
std::int64_t first_failure(std::int64_t count, Holds holds) {
    for (std::int64_t i = 0; i < count; i++)
        if (!holds(static_cast<std::size_t>(i))) return i;
    return -1;
}

// By how much q4 is raised, and c8 lowered by as many s4: levels of which none needs the upper half of q4 may start
// there.
int shift_of(int s4, int c8) {
    int shift = 0;
    while (c8 - shift * s4 + 8 * s4 > 127)
        shift++;
    return shift;
}

}  // namespace

Status check_int4(const Int4View& weights) {
    const MatrixView shape{weights.q4.data(), DataType::kI8, weights.n, weights.k, weights.k};
    if (Status status = check_matrix("weights", shape); !status.ok()) return status;
    const std::int64_t groups = int4_groups(weights.k), levels = weights.n * weights.k, steps = weights.n * groups;
    const auto check_count = [](const char* name, std::size_t count, std::int64_t expected) {
        return count == static_cast<std::size_t>(expected)
                   ? Status()
                   : invalid(fmt::format("{}: {} elements; expected {}", name, count, expected));
    };
    if (Status status = check_count("q4", weights.q4.size(), levels); !status.ok()) return status;
    if (Status status = check_count("s4", weights.s4.size(), steps); !status.ok()) return status;
    if (Status status = check_count("c8", weights.c8.size(), steps); !status.ok()) return status;
    const std::int64_t step = first_failure(
        steps, [&](std::size_t i) { return weights.s4[i] >= 1 && weights.s4[i] <= 15 && weights.c8[i] >= -127; });
    if (step >= 0) {
        const auto i = static_cast<std::size_t>(step);
        return invalid(fmt::format("output channel {}, group {}: s4 is {} and c8 {}; expected 1 to 15 and -127 to 127",
                                   step / groups, step % groups, weights.s4[i], weights.c8[i]));
    }
    const auto level_of = [&](std::int64_t i) { return int4_level(weights, i / weights.k, i % weights.k); };
    const std::int64_t level = first_failure(
        levels, [&](std::size_t i) { return weights.q4[i] <= 15 && level_of(static_cast<std::int64_t>(i)) <= 127; });
    if (level < 0) return {};
    return invalid(fmt::format(
        "output channel {}: q4 is {} and the level {} at k = {}; expected 0 to 15 and -127 to 127", level / weights.k,
        weights.q4[static_cast<std::size_t>(level)], level_of(level), level % weights.k));
}

void Int4Panels::pack(const Int4View& weights, std::int64_t pair, std::uint8_t* q4, std::uint8_t* steps) const {
    std::memset(q4, 0, static_cast<std::size_t>(pair_bytes()));
    const std::int64_t groups = int4_groups(k);
    for (std::int64_t column = 0; column < pair_columns(); column++) {
        const std::int64_t row = std::min(pair * pair_columns() + column, weights.n - 1);
        const std::int64_t half = column / panel_n, place = column % panel_n;
        for (std::int64_t group = 0; group < groups; group++) {
            const auto from = static_cast<std::size_t>(row * groups + group);
            const int s4 = weights.s4[from], shift = shift_of(s4, weights.c8[from]);
            std::uint8_t* step = steps + group * group_step_bytes();
            step[place] = static_cast<std::uint8_t>(half == 0 ? s4 : step[place] | s4 << 4);
            step[(1 + half) * panel_n + place] = static_cast<std::uint8_t>(weights.c8[from] - shift * s4);
            const std::int64_t end = std::min(k, (group + 1) * kInt4Group);
            for (std::int64_t i = group * kInt4Group; i < end; i++) {
                const int q = weights.q4[static_cast<std::size_t>(row * k + i)] + shift;
                std::uint8_t& byte = q4[place_of(place, i)];
                byte = static_cast<std::uint8_t>(byte | q << 4 * half);
            }
        }
    }
}

Status Int4Panels::check_steps(std::span<const std::byte> steps) const {
    const auto groups = static_cast<std::int64_t>(steps.size()) / group_step_bytes();
    for (std::int64_t group = 0; group < groups; group++) {
        const auto* step = reinterpret_cast<const std::uint8_t*>(steps.data()) + group * group_step_bytes();
        for (std::int64_t place = 0; place < panel_n; place++) {
            for (const std::int64_t half : {0, 1}) {
                const int s4 = step[place] >> 4 * half & 15,
                          c8 = static_cast<std::int8_t>(step[(1 + half) * panel_n + place]);
                if (s4 > 0 && c8 >= -127 && c8 + 8 * s4 <= 127) continue;
                return {
                    StatusCode::kParseError,
                    fmt::format("steps: group {}, column {}: s4 is {} and c8 {}; expected 1 to 15, and -127 or more "
                                "with 8 s4 + c8 at most 127",
                                group, half * panel_n + place, s4, c8)};
            }
        }
    }
    return {};
}

void Int4Panels::unpack_row(const std::uint8_t* q4, const std::uint8_t* steps, std::int64_t row, std::uint8_t* row_q4,
                            std::uint8_t* row_s4, std::int8_t* row_c8) const {
    const std::int64_t half = row / panel_n, place = row % panel_n;
    for (std::int64_t group = 0; group < int4_groups(k); group++) {
        const std::uint8_t* step = steps + group * group_step_bytes();
        row_s4[group] = static_cast<std::uint8_t>(step[place] >> 4 * half & 15);
        row_c8[group] = static_cast<std::int8_t>(step[(1 + half) * panel_n + place]);
    }
    for (std::int64_t i = 0; i < k; i++)
        row_q4[i] = static_cast<std::uint8_t>(q4[place_of(place, i)] >> 4 * half & 15);
}

std::int32_t int4_column_sum(const Int4View& weights, std::int64_t row) {
    const std::int64_t k = weights.k, groups = int4_groups(k), padding = round_up(k, kReductionPadding) - k;
    std::int32_t sum = 0;
    for (std::int64_t i = 0; i < k; i++)
        sum += int4_level(weights, row, i);
    // q4 of the padding is 0, behind the shift. GEMMs multiply these levels by those of x that stand for 0.
    const auto last = static_cast<std::size_t>(row * groups + groups - 1);
    const int lowest = weights.c8[last] - shift_of(weights.s4[last], weights.c8[last]) * weights.s4[last];
    return sum + static_cast<std::int32_t>(padding) * lowest;
}

}  // namespace octile
