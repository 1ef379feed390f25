// The ISA levels of the CPU that the test runs on.
#pragma once

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "base/check.h"
#include "octile/cpu.h"
#include "octile/types.h"
#include "runtime/kernel_table.h"
#include "tests/support/seed.h"

namespace octile::test {

inline constexpr std::array kActivations = {Activation::kNone,      Activation::kRelu, Activation::kRelu6,
                                            Activation::kHardswish, Activation::kGelu, Activation::kGeluTanh,
                                            Activation::kQuickGelu, Activation::kSilu};
inline constexpr std::array kActivationTypes = {DataType::kF32, DataType::kF16, DataType::kBF16};
inline constexpr std::array kWeightTypes = {DataType::kF32, DataType::kF16, DataType::kBF16};

// What may be chosen about one run of a layer without a change of its shape. Too many to run each of them at every
// shape: tests draw some.
struct Combination {
    DataType in, out;
    Activation activation;
    bool biased;
};

inline Combination draw_combination(Random& random) {
    const auto pick = [&](const auto& choices) {
        return choices[random.below(static_cast<std::uint32_t>(choices.size()))];
    };
    return {.in = pick(kActivationTypes),
            .out = pick(kActivationTypes),
            .activation = pick(kActivations),
            .biased = random.below(4) != 0};
}

inline std::ostream& operator<<(std::ostream& out, const Combination& combination) {
    return out << name_of(combination.in) << " in, " << name_of(combination.out) << " out, "
               << name_of(combination.activation) << ", " << (combination.biased ? "" : "no ") << "bias";
}

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

// Whether a kernel packs or multiplies panels of one row only.
inline bool is_for_single_row(const KernelInfo& info) {
    for (const Kernel& kernel : kernel_table()) {
        if (kernel.info.family == info.family && kernel.info.isa == info.isa && kernel.info.panel_m > info.panel_m)
            return true;
    }
    return false;
}

}  // namespace octile::test
