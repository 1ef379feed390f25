#include "tuner/core_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "octile/cpu.h"

#if defined(__aarch64__)
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#include <fstream>
#elif defined(__x86_64__)
#include <cpuid.h>

#include <cstring>
#endif

namespace octile::tuner {
namespace {

struct Name {
    std::string_view identity, name;
};

// Arm's part numbers are in each core's Technical Reference Manual (MIDR_EL1), those of others in the Linux kernel's
// arch/arm64/include/asm/cputype.h.
constexpr auto kNames = std::to_array<Name>({
    {"arm:0x41:0xd03", "cortex-a53"},
    {"arm:0x41:0xd08", "cortex-a72"},
    {"arm:0x41:0xd0b", "cortex-a76"},
    {"arm:0x41:0xd0c", "neoverse-n1"},
    {"arm:0x41:0xd40", "neoverse-v1"},
    {"arm:0x41:0xd41", "cortex-a78"},
    {"arm:0x41:0xd44", "cortex-x1"},
    {"arm:0x41:0xd46", "cortex-a510"},
    {"arm:0x41:0xd47", "cortex-a710"},
    {"arm:0x41:0xd48", "cortex-x2"},
    {"arm:0x41:0xd49", "neoverse-n2"},
    {"arm:0x41:0xd4f", "neoverse-v2"},
    {"arm:0x41:0xd81", "cortex-a720"},
    {"arm:0x41:0xd82", "cortex-x4"},
    {"arm:0xc0:0xac3", "ampere1"},
    {"arm:0x51:0x001", "oryon"},
    {"arm:0x61:0x022", "apple-m1"},
    {"arm:0x61:0x023", "apple-m1"},
});

#if defined(__aarch64__)

std::string of_midr(std::uint64_t midr) {
    return fmt::format("arm:{:#04x}:{:#05x}", (midr >> 24) & 0xff, (midr >> 4) & 0xfff);
}

#endif

}  // namespace

#if defined(__aarch64__)

std::string core_identity() {
    std::ifstream file(
        fmt::format("/sys/devices/system/cpu/cpu{}/regs/identification/midr_el1", std::max(0, sched_getcpu())));
    std::uint64_t midr = 0;
    if (file >> std::hex >> midr) return of_midr(midr);
    constexpr unsigned long kHwcapCpuid = 1ul << 11;  // the kernel answers reads of identification registers
    if (!(getauxval(AT_HWCAP) & kHwcapCpuid)) return "arm:unknown";
    asm("mrs %0, midr_el1" : "=r"(midr));
    return of_midr(midr);
}

int vector_bits() {
    constexpr int kGetLength = 51, kLengthMask = 0xffff;  // PR_SVE_GET_VL, PR_SVE_VL_LEN_MASK; in bytes
    const int length = prctl(kGetLength);
    return length < 0 ? 128 : 8 * (length & kLengthMask);
}

#elif defined(__x86_64__)

std::string core_identity() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    char vendor[13] = {};
    __get_cpuid(0, &a, &b, &c, &d);
    std::memcpy(vendor, &b, 4);
    std::memcpy(vendor + 4, &d, 4);
    std::memcpy(vendor + 8, &c, 4);
    __get_cpuid(1, &a, &b, &c, &d);
    const unsigned base_family = (a >> 8) & 15;
    const unsigned family = base_family == 15 ? base_family + ((a >> 20) & 255) : base_family;
    const unsigned model = ((a >> 4) & 15) | ((a >> 12) & 0xf0);
    std::string identity = fmt::format("x86:{}:{}:{}", vendor, family, model);
    constexpr unsigned kAmxInt8 = 1u << 25;
    if (supported_isas().has(Isa::kAvx512vnni)) identity += "+avx512vnni";
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kAmxInt8)) identity += "+amx";
    return identity;
}

int vector_bits() {
    return supported_isas().has(Isa::kAvx512vnni) ? 512 : 256;
}

#endif

std::string core_name(std::string_view identity) {
    if (identity.starts_with(kModelPrefix)) return std::string(identity.substr(kModelPrefix.size()));
    for (const Name& name : kNames) {
        if (name.identity == identity) return std::string(name.name);
    }
    // A virtual machine may show any model; AMX came with Sapphire Rapids, and VNNI on model 85 with Cascade Lake.
    if (identity.starts_with("x86:GenuineIntel:6:") && identity.ends_with("+amx")) return "sapphirerapids";
    if (identity == "x86:GenuineIntel:6:85+avx512vnni") return "cascadelake";
    return {};
}

}  // namespace octile::tuner
