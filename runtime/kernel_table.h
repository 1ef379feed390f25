// The kernels this library holds: the table that the build generates, read-only.
#pragma once

#include <span>
#include <string_view>

#include "planner/kernel_info.h"

namespace octile {

struct Kernel {
    // Halide's uniform entry point: one pointer per argument, to a halide_buffer_t. Call it through halide_call.h.
    int (*entry)(void** arguments);
    KernelInfo info;
};

std::span<const Kernel> kernel_table();

// Names of the schedules that the rows are for, by the bits of KernelInfo::schedules; the first is for cores that no
// other is for.
std::span<const std::string_view> built_schedules();

// The first kernel for which `matches(info)` holds on the highest level of `isas` that has one; null if there is none.
template <typename Predicate>
const Kernel* find_kernel(IsaSet isas, Predicate matches) {
    const Kernel* found = nullptr;
    for (const Kernel& kernel : kernel_table()) {
        if (!isas.has(kernel.info.isa) || (found && kernel.info.isa <= found->info.isa)) continue;
        if (matches(kernel.info)) found = &kernel;
    }
    return found;
}

}  // namespace octile
