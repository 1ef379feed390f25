// The ISA levels of the CPU that the test runs on.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/check.h"
#include "octile/cpu.h"
#include "octile/types.h"
#include "runtime/kernel_table.h"

namespace octile::test {

inline constexpr std::array kActivations = {Activation::kNone, Activation::kRelu, Activation::kGelu, Activation::kSilu};
inline constexpr std::array kActivationTypes = {DataType::kF32, DataType::kF16};
inline constexpr std::array kWeightTypes = {DataType::kF32, DataType::kF16, DataType::kBF16};

struct Level {
    Isa isa;
    IsaSet isas;  // with those below it, as OCTILE_ISA would give them
};

// Levels that this CPU has and that have kernels of `family`, lowest first.
inline std::vector<Level> levels_with(KernelFamily family) {
    std::vector<Level> levels;
    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
        if (!supported_isas().has(isa)) continue;
        bool any = false;
        for (const Kernel& kernel : kernel_table())
            any |= kernel.info.family == family && kernel.info.isa == isa;
        if (!any) continue;
        const Result<IsaSet> isas = limit_isas(supported_isas(), name_of(isa));
        OCTILE_CHECK_EQ(isas.ok(), true);
        levels.push_back({isa, isas.value()});
    }
    return levels;
}

// Kernels of `family` that this CPU can run.
inline std::vector<const Kernel*> kernels_of(KernelFamily family) {
    std::vector<const Kernel*> kernels;
    for (const Kernel& kernel : kernel_table()) {
        if (kernel.info.family == family && supported_isas().has(kernel.info.isa)) kernels.push_back(&kernel);
    }
    return kernels;
}

}  // namespace octile::test
