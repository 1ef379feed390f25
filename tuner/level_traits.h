// What the kernels of a level take of its registers and ports: what schedules are pruned and predicted by.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "octile/cpu.h"

namespace octile::tuner {

// Of one level and kernel family.
struct LevelTraits {
    std::string kernel;  // "gemm_s8" or "gemm_f16"
    Isa isa = Isa::kNeon;
    int registers = 32;
    int cell_m = 1, cell_n = 4;  // rows and columns of an accumulator register, all segments
    int k_block = 1;
    int column_step = 4;  // every tile's columns are a multiple of it
    int lhs_bytes = 1, weight_bytes = 1;
    bool prefetches = false;  // tiles may fetch weights ahead
    bool pairs = false;       // of form gemm_s8_pairs
    bool packs = true;        // false: another level writes its panels, which stay as they are

    // `entry`: one that check_schedule_entry() takes.
    static LevelTraits of(std::string_view kernel, Isa isa, const nlohmann::json& entry);

    // Vector registers that a tile of so many rows and columns takes: accumulators, one step's operands, temporaries.
    int registers_of(int rows, int columns, int k_split) const;
    int accumulators(int rows, int columns) const;
    // Vector instructions of one step: products, and loads.
    double products(int rows, int columns) const;
    double loads(int rows, int columns) const;
};

}  // namespace octile::tuner
