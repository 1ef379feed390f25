#include "runtime/core_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "octile/cpu.h"

#if defined(__aarch64__)
#include <sched.h>
#include <sys/auxv.h>

#include <fstream>
#elif defined(__x86_64__)
#include <cpuid.h>

#include <cstring>
#endif

namespace octile {
namespace {

struct KnownCore {
    std::string_view identity, name, like;
};

constexpr KnownCore kCores[] = {
#include "core_identities.inc"
};

// `pattern` may hold one '*', for any text.
bool matches(std::string_view pattern, std::string_view identity) {
    const std::size_t star = pattern.find('*');
    if (star == std::string_view::npos) return pattern == identity;
    return identity.size() + 1 >= pattern.size() && identity.starts_with(pattern.substr(0, star)) &&
           identity.ends_with(pattern.substr(star + 1));
}

const KnownCore* find_core(std::string_view name) {
    const auto found =
        std::find_if(std::begin(kCores), std::end(kCores), [&](const KnownCore& core) { return core.name == name; });
    return found == std::end(kCores) ? nullptr : found;
}

#if defined(__aarch64__)

std::string of_midr(std::uint64_t midr) {
    return fmt::format("arm:{:#04x}:{:#05x}", (midr >> 24) & 0xff, (midr >> 4) & 0xfff);
}

// Empty where the system does not say.
std::string identity_in_sysfs(int cpu) {
    std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu{}/regs/identification/midr_el1", cpu));
    std::uint64_t midr = 0;
    return file >> std::hex >> midr ? of_midr(midr) : std::string();
}

std::string identity_in_register() {
    constexpr unsigned long kHwcapCpuid = 1ul << 11;  // the kernel answers reads of identification registers
    if (!(getauxval(AT_HWCAP) & kHwcapCpuid)) return {};
    std::uint64_t midr = 0;
    asm("mrs %0, midr_el1" : "=r"(midr));
    return of_midr(midr);
}

// CPUs that the calling thread may run on.
std::vector<int> usable_cpus() {
    std::vector<int> cpus;
    constexpr int kMostCpus = 8192;
    const std::size_t bytes = CPU_ALLOC_SIZE(kMostCpus);
    cpu_set_t* mask = CPU_ALLOC(kMostCpus);
    if (mask && sched_getaffinity(0, bytes, mask) == 0) {
        for (int cpu = 0; cpu < kMostCpus; cpu++)
            if (CPU_ISSET_S(cpu, bytes, mask)) cpus.push_back(cpu);
    }
    CPU_FREE(mask);
    return cpus;
}

#endif

}  // namespace

#if defined(__aarch64__)

std::string core_identity() {
    std::string identity = identity_in_sysfs(std::max(0, sched_getcpu()));
    if (identity.empty()) identity = identity_in_register();
    return identity.empty() ? "arm:unknown" : identity;
}

CoreKind core_kind() {
    std::vector<std::string> identities;
    for (const int cpu : usable_cpus()) {
        if (std::string identity = identity_in_sysfs(cpu); !identity.empty()) identities.push_back(std::move(identity));
    }
    CoreKind kind = most_common(identities);
    kind.source = IdentitySource::kSysfs;
    if (!identities.empty()) return kind;
    const std::string identity = identity_in_register();
    if (identity.empty()) return {.identity = "arm:unknown"};
    return {.identity = identity, .source = IdentitySource::kRegister};
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

// One kind: where x86 systems have several, they differ in neither family nor model.
CoreKind core_kind() {
    return {.identity = core_identity(), .source = IdentitySource::kCpuid};
}

#endif

std::string_view name_of(IdentitySource source) {
    switch (source) {
        case IdentitySource::kSysfs:
            return "MIDR in sysfs";
        case IdentitySource::kRegister:
            return "MIDR";
        case IdentitySource::kCpuid:
            return "cpuid";
        case IdentitySource::kNone:
            break;
    }
    return "nothing";
}

CoreKind most_common(std::span<const std::string> identities) {
    CoreKind kind{.identity = {}, .cpus = 0, .of = static_cast<int>(identities.size())};
    for (const std::string& identity : identities) {
        const auto count = static_cast<int>(std::count(identities.begin(), identities.end(), identity));
        if (count <= kind.cpus) continue;
        kind.identity = identity;
        kind.cpus = count;
    }
    return kind;
}

std::string_view name_of_core(std::string_view identity) {
    for (const KnownCore& core : kCores) {
        if (matches(core.identity, identity)) return core.name;
    }
    return {};
}

bool is_core_name(std::string_view name) {
    return find_core(name) != nullptr;
}

std::string_view relative_of(std::string_view name) {
    const KnownCore* core = find_core(name);
    return core ? core->like : std::string_view();
}

}  // namespace octile
