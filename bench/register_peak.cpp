#include "bench/register_peak.h"

#include <cstdint>

namespace octile::bench {
namespace {

#if defined(__x86_64__)

constexpr std::int64_t kSteps = 100000;
constexpr int kChains = 12;  // two ports times a latency of five, and a little

// In assembly, because what is measured must not depend on how the benchmark is compiled. The attribute only lets the
// clobber list name the registers; whoever calls has asked the CPU.
__attribute__((target("avx512f"))) void run_vpdpbusd() {
    std::int64_t steps = kSteps;
    __asm__ volatile(
        "1:\n"
        ".irp i,0,1,2,3,4,5,6,7,8,9,10,11\n"
        "vpdpbusd %%zmm12, %%zmm13, %%zmm\\i\n"
        ".endr\n"
        "dec %0\n"
        "jnz 1b\n"
        "vzeroupper\n"
        : "+r"(steps)
        :
        : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
          "xmm12", "xmm13");
}

// The avx2 level multiplies pairs of int16 and adds them up with a second instruction.
__attribute__((target("avx2"))) void run_vpmaddwd() {
    std::int64_t steps = kSteps;
    __asm__ volatile(
        "1:\n"
        ".irp i,0,1,2,3,4,5,6,7,8,9,10,11\n"
        "vpmaddwd %%ymm12, %%ymm13, %%ymm14\n"
        "vpaddd %%ymm14, %%ymm\\i, %%ymm\\i\n"
        ".endr\n"
        "dec %0\n"
        "jnz 1b\n"
        "vzeroupper\n"
        : "+r"(steps)
        :
        : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
          "xmm12", "xmm13", "xmm14");
}

Cell loop(void (*body)(), int products) {
    return Cell{.operations = 2.0 * static_cast<double>(kSteps) * kChains * products,
                .run =
                    [body] {
                        body();
                        return Status();
                    },
                .check = [] { return Status(); }};
}

#endif

}  // namespace

std::optional<Cell> register_peak([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
    if (supported_isas().has(isa)) {
        if (isa == Isa::kAvx512vnni) return loop(run_vpdpbusd, 64);
        if (isa == Isa::kAvx2) return loop(run_vpmaddwd, 16);
    }
#endif
    return std::nullopt;
}

}  // namespace octile::bench
