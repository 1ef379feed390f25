#include "planner/level_tiles.h"

namespace octile {
namespace {

constexpr LevelTiles kLevels[] = {
#include "level_tiles.inc"
};

}  // namespace

std::span<const LevelTiles> all_level_tiles() {
    return kLevels;
}

}  // namespace octile
