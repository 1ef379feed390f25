#include <fmt/format.h>

#include <cstdlib>

#include "base/found_once.h"
#include "base/printable.h"
#include "octile/cpu.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#include <sys/prctl.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace octile {
namespace {

#if defined(__aarch64__)

// Bits of an SVE register as this thread has it, which may be fewer than the CPU's; 0 without SVE.
int sve_bits() {
    constexpr int kGetLength = 51, kLengthMask = 0xffff;  // PR_SVE_GET_VL, PR_SVE_VL_LEN_MASK; in bytes
    const int length = prctl(kGetLength);
    return length < 0 ? 0 : 8 * (length & kLengthMask);
}

IsaSet detect() {
    // Bits of the kernel's user interface (arch/arm64/include/uapi/asm/hwcap.h), written out because C libraries older
    // than the CPU do not name them.
    constexpr unsigned long kHwcapFpHp = 1ul << 9, kHwcapAsimdHp = 1ul << 10, kHwcapAsimdDp = 1ul << 20,
                            kHwcapSve = 1ul << 22, kHwcap2SveI8mm = 1ul << 9, kHwcap2I8mm = 1ul << 13;
    const unsigned long hwcap = getauxval(AT_HWCAP), hwcap2 = getauxval(AT_HWCAP2);
    IsaSet isas;
    isas.add(Isa::kNeon);
    if ((hwcap & kHwcapFpHp) && (hwcap & kHwcapAsimdHp)) isas.add(Isa::kFp16);
    if (hwcap & kHwcapAsimdDp) {
        isas.add(Isa::kDotprod);
        if (hwcap2 & kHwcap2I8mm) isas.add(Isa::kI8mm);
    }
    if (isas.has(Isa::kI8mm) && (hwcap & kHwcapSve) && (hwcap2 & kHwcap2SveI8mm) && sve_bits() == 256)
        isas.add(Isa::kSve256);
    return isas;
}

#elif defined(__x86_64__)

// State components that the operating system saves on a context switch; without them the registers exist and must not
// be used.
unsigned long long enabled_state() {
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<unsigned long long>(high) << 32) | low;
}

IsaSet detect() {
    IsaSet isas;
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return isas;
    constexpr unsigned kFma = 1u << 12, kXsave = 1u << 27, kAvx = 1u << 28, kF16c = 1u << 29;
    if ((c & (kFma | kXsave | kAvx | kF16c)) != (kFma | kXsave | kAvx | kF16c)) return isas;
    constexpr unsigned long long kYmmState = 0x06, kZmmState = 0xe6;
    const unsigned long long state = enabled_state();
    if ((state & kYmmState) != kYmmState || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return isas;
    constexpr unsigned kAvx2 = 1u << 5;
    if (!(b & kAvx2)) return isas;
    isas.add(Isa::kAvx2);
    constexpr unsigned kAvx512 = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31);  // F, DQ, CD, BW, VL
    constexpr unsigned kVnni = 1u << 11;
    if ((state & kZmmState) == kZmmState && (b & kAvx512) == kAvx512 && (c & kVnni)) isas.add(Isa::kAvx512vnni);
    constexpr unsigned kAvxVnni = 1u << 4;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & kAvxVnni)) isas.add(Isa::kAvxvnni);
    return isas;
}

#endif

}  // namespace

std::string to_string(IsaSet isas) {
    std::string text;
    for (int i = 0; i < kIsaCount; i++) {
        const Isa isa = static_cast<Isa>(i);
        if (!isas.has(isa)) continue;
        if (!text.empty()) text += ' ';
        text += name_of(isa);
    }
    return text.empty() ? "none" : text;
}

IsaSet supported_isas() {
    static constinit FoundOnce<IsaSet> isas;
    return isas.get(detect);
}

Result<IsaSet> limit_isas(IsaSet supported, std::string_view level) {
    const std::optional<Isa> isa = parse_isa(level);
    if (!isa || !supported.has(*isa)) {
        return Status(StatusCode::kUnsupported,
                      fmt::format("ISA level {} is {}; this CPU has: {}", internal::quote(level),
                                  isa ? "not supported by this CPU" : "unknown", to_string(supported)));
    }
    IsaSet limited;
    for (int i = 0; i <= static_cast<int>(*isa); i++) {
        if (supported.has(static_cast<Isa>(i))) limited.add(static_cast<Isa>(i));
    }
    return limited;
}

Result<IsaSet> usable_isas() {
    const char* forced = std::getenv("OCTILE_ISA");
    if (!forced || !*forced) return supported_isas();
    Result<IsaSet> limited = limit_isas(supported_isas(), forced);
    if (!limited.ok())
        return Status(limited.status().code(), fmt::format("OCTILE_ISA: {}", limited.status().message()));
    return limited;
}

}  // namespace octile
