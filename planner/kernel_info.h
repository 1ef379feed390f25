// One row of the kernel table, as data: what dispatch, tests and benchmarks know of a kernel. The rows come from the
// schedules through the build.
#pragma once

#include <cstdint>
#include <string_view>

#include "octile/cpu.h"
#include "octile/types.h"

namespace octile {

// Argument lists, in order; buffers are row-major as their generator's header comment draws them.
enum class KernelFamily {
    kQuantizeRows,     // x, [input scale] -> panel, and per row what its Scaling needs
    kQuantizeWeights,  // x -> panel, [scale, magnitude], column sums
    kUnpackS4,         // q4, s4, c8 of INT4 -> int8 panels of the weights
    kPackRowsF16,      // x -> panel
    kPackWeightsF16,   // x -> panel
    kGemmS8,           // lhs panel, rhs panel, row scale, column scale, bias, column sums, [zero points] -> y
    kGemmF16,          // lhs panel, rhs panel, bias -> y
    kEpilogue,         // z, activation, low, high, output scale, [other] -> y
    kLayerNorm,        // x, weight, epsilon, bias, [residual] -> y, [sum]
    kRmsNorm,          // x, weight, epsilon, [residual] -> y, [sum]
    kAttention,        // q, keys, values, visible, step, count, scale, [bias] -> scores, weights, y
    kSplitHeads,       // x -> y
    kRotary,           // x, cos, sin -> y
    kEmbedding,        // table, index, [sum] -> y
    kMeanPool,         // x -> y
    kNormalize,        // x, epsilon -> y
};

// How the int8 levels of a row come about.
enum class Scaling {
    kDynamic,     // from the row's absmax
    kStatic,      // by a scale that the caller gives
    kAsymmetric,  // from the row's range, with a zero point
    kReady,       // they are there already
};

// What an epilogue does with its second operand; kResidual: attention with a bias.
enum class Combine { kNone, kResidual, kGate };

// Which weights a GEMM is for: schedules may tell apart those that do not fit the second-level cache beside the
// activations.
enum class WeightSize { kAny, kLarge };

// Element type of a packed panel.
enum class Element { kS8, kU8, kS16, kF16, kF32 };

constexpr std::int64_t size_of(Element element) {
    switch (element) {
        case Element::kS8:
        case Element::kU8:
            return 1;
        case Element::kS16:
        case Element::kF16:
            return 2;
        case Element::kF32:
            return 4;
    }
    return 0;
}

// Both panels are zero-padded to this many elements of K, whatever the level: it holds every k_block times every number
// of chains.
inline constexpr std::int64_t kReductionPadding = 16;

struct KernelInfo {
    std::string_view name;
    KernelFamily family = KernelFamily::kGemmS8;
    Isa isa = Isa::kNeon;
    Element panel = Element::kS8;         // what it writes, or, for a GEMM, its left-hand side
    DataType input = DataType::kF32;      // of x, where there is an x
    DataType output = DataType::kF32;     // of y, where there is a y
    Scaling scaling = Scaling::kDynamic;  // of the rows that it quantizes or multiplies
    Combine combine = Combine::kNone;
    int tile_m = 0;   // rows of a tile; of queries
    int panel_m = 0;  // rows of a panel of activations; tile_m of them are read
    int tile_n = 0;   // columns of a tile: one or several panels
    int panel_n = 0;  // columns of a panel of weights
    int k_block = 1;  // consecutive elements of K that lie side by side in a panel
    WeightSize weights = WeightSize::kAny;
    int block_rows = 0;     // rows of activations that stay in the cache while the weights pass; 0: as many as fit
    int block_columns = 0;  // columns of weights that stay in the cache while the blocks of rows pass; 0: all
    int task_rows = 0;      // rows of a thread's piece of work; 0: all
    // Bit i: the i-th schedule of the archive has it. All schedules of an archive have the same panels.
    std::uint32_t schedules = ~std::uint32_t{0};

    bool is_of(int schedule) const { return (schedules >> schedule) & 1u; }
};

}  // namespace octile
