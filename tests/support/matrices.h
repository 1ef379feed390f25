// Contents of test matrices, by what they provoke.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "tests/support/seed.h"

namespace octile::test {

enum class Fill {
    kNormal,    // what a network has
    kLowest,    // one negative value everywhere: every element quantizes to -127, every sum is as large as it can be
    kHighest,   // one positive value everywhere
    kZero,      // no magnitude to scale by
    kOutlier,   // one element per row 30000 times larger than the rest, which all quantize to zero or one
    kDenormal,  // magnitudes below the smallest normal number of f16, and some below that of f32
    kTies,      // elements half way between two int8 levels
};
inline constexpr std::array kFills = {Fill::kNormal,  Fill::kLowest,   Fill::kHighest, Fill::kZero,
                                      Fill::kOutlier, Fill::kDenormal, Fill::kTies};

inline std::string_view name_of(Fill fill) {
    static constexpr std::array<std::string_view, kFills.size()> names = {"normal",  "lowest",   "highest", "zero",
                                                                          "outlier", "denormal", "ties"};
    return internal::enum_name(names, fill);
}

// Row-major [rows, columns]. Every value but kOutlier's survives f16 as a number.
inline std::vector<float> make_values(Random& random, std::int64_t rows, std::int64_t columns, Fill fill) {
    std::vector<float> values(static_cast<std::size_t>(rows * columns));
    for (std::int64_t row = 0; row < rows; row++) {
        const auto outlier = static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(columns)));
        for (std::int64_t column = 0; column < columns; column++) {
            float& value = values[static_cast<std::size_t>(row * columns + column)];
            switch (fill) {
                case Fill::kNormal:
                    value = random.normal();
                    break;
                case Fill::kLowest:
                    value = -1.5f;
                    break;
                case Fill::kHighest:
                    value = 1.5f;
                    break;
                case Fill::kZero:
                    value = (row + column) % 2 ? -0.0f : 0.0f;
                    break;
                case Fill::kOutlier:
                    value = column == outlier ? -60000.0f : random.normal();
                    break;
                case Fill::kDenormal:
                    value = random.normal() * (column % 3 ? 0x1p-20f : 0x1p-130f);
                    break;
                case Fill::kTies:
                    // 127 makes the scale exactly one, and the others fall between two integers.
                    value = column == outlier ? 127.0f : static_cast<float>(random.below(253)) - 126.5f;
                    break;
            }
        }
    }
    return values;
}

}  // namespace octile::test
