#include "runtime/level_kernels.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "base/check.h"

namespace octile {
namespace {

struct Families {
    KernelFamily gemm, pack_rows, pack_weights;
};

Families families_of(Precision precision) {
    if (precision == Precision::kInt8)
        return {KernelFamily::kGemmS8, KernelFamily::kQuantizeRows, KernelFamily::kQuantizeWeights};
    return {KernelFamily::kGemmF16, KernelFamily::kPackRowsF16, KernelFamily::kPackWeightsF16};
}

}  // namespace

LevelKernels::LevelKernels(Precision precision, IsaSet isas, Isa isa, int schedule)
    : precision_(precision), isas_(isas), isa_(isa), schedule_(schedule) {
    const KernelFamily family = families_of(precision).gemm;
    for (const WeightSize size : {WeightSize::kAny, WeightSize::kLarge}) {
        for (const Scaling scaling : {Scaling::kDynamic, Scaling::kAsymmetric, Scaling::kReady})
            if (has_gemm(family, scaling)) gemms_[index(size)][index(scaling)] = gather(family, scaling, size);
    }
    column_unit_ = widest_tile(family);

    // A level may leave packing to a lower one that has the same panels.
    const Families families = families_of(precision);
    const auto keep_highest = [](const Kernel*& kept, const Kernel& kernel) {
        if (!kept || kept->info.isa < kernel.info.isa) kept = &kernel;
    };
    for (const Kernel& kernel : kernel_table()) {
        const KernelInfo& info = kernel.info;
        if (!isas.has(info.isa) || info.isa > isa || info.k_block != k_block()) continue;
        if (precision == Precision::kInt8 && info.family == KernelFamily::kUnpackS4 && info.panel_n == panel_n())
            keep_highest(unpack_, kernel);
        if (info.family == families.pack_weights && info.panel_n == panel_n())
            keep_highest(pack_weights_[index(info.input)], kernel);
        if (info.family != families.pack_rows || info.panel != element()) continue;
        for (const bool single_row : {false, true})
            if (info.panel_m == panel_m(single_row))
                keep_highest(pack_rows_[single_row][index(info.scaling)][index(info.input)], kernel);
    }
    for (const DataType output : {DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kI8}) {
        for (const Combine combine : {Combine::kNone, Combine::kResidual, Combine::kGate}) {
            epilogues_[index(combine)][index(output)] = find_kernel(isas, [&](const KernelInfo& info) {
                return info.family == KernelFamily::kEpilogue && info.output == output && info.combine == combine;
            });
        }
    }
}

bool LevelKernels::has_gemm(KernelFamily family, Scaling scaling) const {
    const auto table = kernel_table();
    return std::any_of(table.begin(), table.end(), [&](const Kernel& kernel) {
        return kernel.info.family == family && kernel.info.isa == isa_ && kernel.info.scaling == scaling;
    });
}

// Columns that the tiles of every schedule divide, so that weights that were packed by one are for all.
int LevelKernels::widest_tile(KernelFamily family) const {
    int widest = 1;
    const auto for_each_tile_n = [&](auto&& body) {
        for (const Kernel& kernel : kernel_table())
            if (kernel.info.family == family && kernel.info.isa == isa_) body(kernel.info.tile_n);
    };
    for_each_tile_n([&](int tile_n) { widest = std::max(widest, tile_n); });
    for_each_tile_n([&](int tile_n) { OCTILE_CHECK_EQ(widest % tile_n, 0); });
    return widest;
}

GemmKernels LevelKernels::gather(KernelFamily family, Scaling scaling, WeightSize size) const {
    GemmKernels found;
    int widest = 0;
    for (const Kernel& kernel : kernel_table())
        if (kernel.info.family == family && kernel.info.isa == isa_) widest = std::max(widest, kernel.info.panel_m);
    found.wide.resize(static_cast<std::size_t>(widest));
    for (const Kernel& kernel : kernel_table()) {
        const KernelInfo& info = kernel.info;
        if (info.family != family || info.isa != isa_ || info.scaling != scaling || !info.is_of(schedule_)) continue;
        const Kernel*& place =
            info.panel_m == widest ? found.wide[static_cast<std::size_t>(info.tile_m - 1)] : found.row;
        // Where the schedule makes no difference, the kernels for any size serve large weights too.
        if (info.weights == size || (!place && info.weights == WeightSize::kAny)) place = &kernel;
    }
    for (const Kernel* kernel : found.wide)
        OCTILE_CHECK_EQ(kernel != nullptr, true);
    OCTILE_CHECK_EQ(found.row != nullptr, true);
    return found;
}

const LevelKernels* LevelKernels::find(Precision precision, IsaSet isas, int schedule) {
    // Each leads to the one that was there before it. Without a lock, which a forked child might find taken, and never
    // freed: destructors of the program's static objects, and threads that run while they do, may still call kernels.
    static constinit std::atomic<const LevelKernels*> newest = nullptr;
    const auto among_known = [&](const LevelKernels* first) {
        const LevelKernels* level = first;
        while (level && !(level->precision_ == precision && level->isas_ == isas && level->schedule_ == schedule &&
                          level->table_ == kernel_table().data()))
            level = level->older_;
        return level;
    };
    const LevelKernels* seen = newest.load(std::memory_order_acquire);
    if (const LevelKernels* level = among_known(seen)) return level;
    const KernelFamily family = families_of(precision).gemm;
    const Kernel* best = find_kernel(isas, [&](const KernelInfo& info) { return info.family == family; });
    if (!best) return nullptr;
    std::unique_ptr<LevelKernels> made(new LevelKernels(precision, isas, best->info.isa, schedule));
    do {
        // Another thread may have made the same: there is to be one of each.
        if (const LevelKernels* level = among_known(seen)) return level;
        made->older_ = seen;
    } while (!newest.compare_exchange_weak(seen, made.get(), std::memory_order_acq_rel, std::memory_order_acquire));
    return made.release();
}

}  // namespace octile
