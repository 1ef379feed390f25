#include "planner/cost_model.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "planner/kernel_info.h"

namespace octile {
namespace {

constexpr double kFloatBytes = 4;  // of x and y, which are f32

// Of an INT4 weight: q4, and its part of a group's s4 and c8 (docs/layouts.md).
constexpr double kInt4Bytes = 35.0 / 64;
// 128-bit instructions that unpack one, beside loads and stores: of a register of 32 q4, a shift, two masks, two
// products, two sums and two changes of sign (generators/unpack_s4_generator.cpp).
constexpr double kUnpackInstructions = 9.0 / 32;

std::int64_t blocks(std::int64_t value, std::int64_t size) {
    return (value + size - 1) / size;
}

double activation_cycles(const CycleCosts& cycles, Activation activation) {
    switch (activation) {
        case Activation::kRelu:
            return cycles.relu;
        case Activation::kRelu6:
            return 2 * cycles.relu;
        case Activation::kHardswish:
            return 5 * cycles.relu;  // so many simple operations
        case Activation::kGelu:
            return cycles.gelu;
        case Activation::kGeluTanh:
        case Activation::kQuickGelu:
        case Activation::kSilu:
            return cycles.silu;  // an exponential and a division
        case Activation::kNone:
            break;
    }
    return 0;
}

}  // namespace

CostModel::CostModel(const Core& core, int threads) : core_(core), threads_(std::clamp(threads, 1, core.cores)) {}

std::size_t CostModel::level_of(double bytes, bool spread) const {
    for (std::size_t i = 0; i < core_.caches.size(); ++i) {
        const CacheLevel& cache = core_.caches[i];
        const std::int64_t instances = spread ? blocks(threads_, cache.shared_by) : 1;
        if (bytes <= cache.kib * 1024 * static_cast<double>(instances)) return i;
    }
    return core_.caches.size();
}

double CostModel::cycles_per_byte(std::size_t level) const {
    if (level < core_.caches.size()) return 1 / core_.caches[level].bytes_per_cycle;
    const double gbps = std::min(core_.memory_gbps_core, core_.memory_gbps / threads_);
    return core_.clock_ghz / gbps;
}

double CostModel::share(std::int64_t tasks) const {
    // As the runtime's pool cuts them: up to four pieces of neighbouring tasks for each thread.
    constexpr std::int64_t kPiecesPerThread = 4;
    if (threads_ == 1 || tasks == 1) return 1;
    const std::int64_t pieces = std::min<std::int64_t>(tasks, threads_ * kPiecesPerThread);
    const double each = static_cast<double>(tasks) / static_cast<double>(pieces);
    const double busiest =
        std::max(static_cast<double>(blocks(pieces, threads_)) * each, static_cast<double>(blocks(tasks, threads_)));
    return busiest / static_cast<double>(tasks);
}

double CostModel::started(double us, std::int64_t tasks) const {
    return us + core_.call_us + (threads_ > 1 && tasks > 1 ? core_.fork_us : 0);
}

double CostModel::convert_us(std::int64_t m, std::int64_t k) const {
    const double elements = static_cast<double>(m) * static_cast<double>(k);
    return started(microseconds(elements * core_.cycles.quantize) * share(m), m);
}

LinearWork work_of(const Layer& linear, const LevelTiles& level) {
    LinearWork work;
    work.tiles_m = blocks(linear.m, level.tile_m);
    work.panels_n = blocks(linear.n, level.tile_n);
    const double k = static_cast<double>(blocks(linear.k, kReductionPadding) * kReductionPadding);
    const double rows = static_cast<double>(blocks(linear.m, level.row_step) * level.row_step);
    const double columns = static_cast<double>(work.panels_n * level.tile_n);
    work.input = rows * k;
    work.macs = rows * columns * k;
    work.tiles = static_cast<double>(work.tiles_m) * static_cast<double>(work.panels_n);
    work.outputs = static_cast<double>(linear.m) * static_cast<double>(linear.n);
    work.widened = level.widen * columns * k * static_cast<double>(work.tiles_m);
    work.weights = columns * k * level.weight_bytes;
    return work;
}

const LevelTiles& level_tiles(Isa isa, Precision precision) {
    const auto all = all_level_tiles();
    const auto found = std::find_if(all.begin(), all.end(), [&](const LevelTiles& level) {
        return level.isa == isa && level.precision == precision;
    });
    OCTILE_CHECK_EQ(found != all.end(), true);
    return *found;
}

SideTime CostModel::time_on(const Layer& linear, const LevelTiles& level, double macs_per_cycle, bool unpacks) const {
    const LinearWork work = work_of(linear, level);
    const double x_bytes = static_cast<double>(linear.m) * static_cast<double>(linear.k) * kFloatBytes;
    const double y_bytes = work.outputs * kFloatBytes;
    const bool int8 = level.precision == Precision::kInt8;

    // Input: every padded row is written, and x is read twice for INT8, once for its largest magnitude.
    const double input_cycles = std::max(work.input * (int8 ? core_.cycles.quantize : core_.cycles.pack),
                                         x_bytes * (int8 ? 2 : 1) * cycles_per_byte(level_of(x_bytes, true)));

    // GEMM. Every tile reads a panel of weights and one of x; all that is in the first cache but where it does not fit.
    const double tile_weights = static_cast<double>(work.tiles_m) * work.weights;  // as the tiles read them
    const double tile_rows = static_cast<double>(work.panels_n) * work.input * level.lhs_bytes;  // likewise x
    const double weight_panel = work.weights / static_cast<double>(work.panels_n);
    const double row_panel = work.input * level.lhs_bytes / static_cast<double>(work.tiles_m);
    const double block = row_panel * static_cast<double>(std::min<std::int64_t>(work.tiles_m, kTilesPerBlock));
    const double passes = static_cast<double>(blocks(work.tiles_m, kTilesPerBlock));

    const double unpack = unpacks ? work.weights * kUnpackInstructions : 0;
    const double widen = (work.widened + unpack) * 128 / core_.vector_bits;
    const double compute = work.macs / macs_per_cycle + widen / core_.vector_pipes + work.tiles * core_.cycles.tile;
    const double loads = (tile_weights + tile_rows) / (core_.vector_loads * core_.vector_bits / 8);
    // The network's copies of the layer take turns in the caches. What else the network keeps there is not known, so
    // both precisions count the bytes of FP16: INT8 is not credited with a cache that only it would fit.
    const double kept = work.weights / level.weight_bytes * 2 * static_cast<double>(linear.count);
    const std::size_t home = level_of(kept, true);
    // Bytes that come from each level behind the first cache.
    std::array<double, kMaxCacheLevels + 1> from{};
    if (unpacks) {
        // Once from where they lie, into half of the second cache, which rows read them from.
        from[home] += work.weights * kInt4Bytes;
        from[std::min<std::size_t>(1, core_.caches.size())] += passes * work.weights;
    } else {
        from[home] += passes * work.weights;
    }
    from[level_of(weight_panel + row_panel, false)] += tile_weights - passes * work.weights;
    // A single tile's rows stay: weights that nobody reads again do not displace them.
    from[level_of(work.tiles_m > 1 ? weight_panel + block : block, false)] += tile_rows;

    // Each level is busy with its own bytes and those from behind it; what takes longest takes all the time.
    double gemm_cycles = std::max(compute, loads), through = 0;
    Bound bound = compute >= loads ? Bound::kCompute : Bound::kLoads;
    for (std::size_t at = core_.caches.size(); at > 0; --at) {
        through += from[at];
        const double cycles = through * cycles_per_byte(at);
        if (cycles <= gemm_cycles) continue;
        gemm_cycles = cycles;
        bound = at == core_.caches.size() ? Bound::kMemory : Bound::kCache;
    }

    const double per_output = (int8 ? core_.cycles.epilogue_int8 : core_.cycles.epilogue_fp16) +
                              activation_cycles(core_.cycles, linear.activation);
    const double epilogue_cycles =
        std::max(work.outputs * per_output, y_bytes * cycles_per_byte(level_of(y_bytes, true)));

    SideTime time;
    time.input_us = started(microseconds(input_cycles) * share(work.tiles_m), work.tiles_m);
    time.gemm_us = started(microseconds(gemm_cycles) * share(work.panels_n), work.panels_n);
    time.epilogue_us = microseconds(epilogue_cycles) * share(work.panels_n);
    time.isa = level.isa;
    time.bound = bound;
    return time;
}

SideTime CostModel::time(const Layer& linear, Precision precision) const {
    const auto& rates = is_quantized(precision) ? core_.int8_macs_per_cycle : core_.fp16_macs_per_cycle;
    const bool unpacks = precision == Precision::kInt4;
    const Precision arithmetic = unpacks ? Precision::kInt8 : precision;
    // The runtime takes the highest level. SMMLA alone is not faster than the level below it on every core.
    std::optional<SideTime> best;
    for (const LevelTiles& level : all_level_tiles()) {
        const double rate = rates[static_cast<std::size_t>(level.isa)];
        if (level.precision != arithmetic || rate == 0) continue;
        const SideTime time = time_on(linear, level, rate, unpacks);
        if (!best || best->isa != Isa::kDotprod || time.total_us() <= best->total_us()) best = time;
    }
    OCTILE_CHECK_EQ(best.has_value(), true);
    return *best;
}

}  // namespace octile
