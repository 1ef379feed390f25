#include "planner/level_tiles.h"

#include <array>

namespace octile {
namespace {

// Every number of rows up to a panel's has a tile of its own.
constexpr std::array<int, 4> kUpToFour = {4, 3, 2, 1};
constexpr std::array<int, 6> kUpToSix = {6, 5, 4, 3, 2, 1};
constexpr std::array<int, 8> kUpToEight = {8, 7, 6, 5, 4, 3, 2, 1};

// Widening: a vector of 4 f32 or 8 s16 for each instruction.
constexpr double kToF32 = 1.0 / 4, kToS16 = 1.0 / 8;

constexpr std::array<LevelTiles, 11> kLevels = {{
    {Isa::kAvx2, Precision::kInt8, kUpToSix, 16, 2, 1, kToS16},
    {Isa::kAvxvnni, Precision::kInt8, kUpToSix, 16, 1, 1, 0},
    {Isa::kAvx512vnni, Precision::kInt8, kUpToEight, 48, 1, 1, 0},
    {Isa::kNeon, Precision::kInt8, kUpToFour, 16, 1, 1, 0},
    {Isa::kDotprod, Precision::kInt8, kUpToEight, 12, 1, 1, 0},
    {Isa::kI8mm, Precision::kInt8, kUpToEight, 12, 1, 1, 0},
    {Isa::kSve256, Precision::kInt8, kUpToEight, 12, 1, 1, 0},
    {Isa::kAvx2, Precision::kFp16, kUpToSix, 16, 4, 2, kToF32},
    {Isa::kAvx512vnni, Precision::kFp16, kUpToEight, 48, 4, 2, kToF32},
    {Isa::kNeon, Precision::kFp16, kUpToFour, 16, 4, 2, kToF32},
    {Isa::kFp16, Precision::kFp16, kUpToEight, 24, 2, 2, 0},
}};

}  // namespace

std::span<const LevelTiles> all_level_tiles() {
    return kLevels;
}

}  // namespace octile
