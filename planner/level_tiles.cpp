#include "planner/level_tiles.h"

#include <array>

namespace octile {
namespace {

constexpr std::array<int, 2> kAvx2M = {6, 1}, kAvx512M = {12, 1}, kNeonM = {4, 1}, kEightM = {8, 1}, kI8mmM = {8, 2};

// Widening: a vector of 4 f32 or 8 s16 for each instruction.
constexpr double kToF32 = 1.0 / 4, kToS16 = 1.0 / 8;

constexpr std::array<LevelTiles, 9> kLevels = {{
    {Isa::kAvx2, Precision::kInt8, kAvx2M, 16, 2, 1, kToS16},
    {Isa::kAvx512vnni, Precision::kInt8, kAvx512M, 32, 1, 1, 0},
    {Isa::kNeon, Precision::kInt8, kNeonM, 16, 1, 1, 0},
    {Isa::kDotprod, Precision::kInt8, kEightM, 12, 1, 1, 0},
    {Isa::kI8mm, Precision::kInt8, kI8mmM, 12, 1, 1, 0},
    {Isa::kAvx2, Precision::kFp16, kAvx2M, 16, 4, 2, kToF32},
    {Isa::kAvx512vnni, Precision::kFp16, kAvx512M, 32, 4, 2, kToF32},
    {Isa::kNeon, Precision::kFp16, kNeonM, 16, 4, 2, kToF32},
    {Isa::kFp16, Precision::kFp16, kEightM, 24, 2, 2, 0},
}};

}  // namespace

std::span<const LevelTiles> all_level_tiles() {
    return kLevels;
}

}  // namespace octile
