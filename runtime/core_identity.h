// Which cores this machine has, as the hardware says, and their names.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace octile {

// Of the CPU that the calling thread is on: "arm:0x41:0xd0c" (MIDR_EL1's implementer and part number), or
// "x86:GenuineIntel:6:143+avx512vnni+amx" (cpuid's vendor, family and model, and what a virtual machine that renames
// its CPU cannot hide). "arm:unknown" where the system does not say.
std::string core_identity();

// How the system said it.
enum class IdentitySource {
    kSysfs,     // MIDR_EL1 of every CPU, in /sys
    kRegister,  // MIDR_EL1 of the CPU that the calling thread was on
    kCpuid,     // likewise
    kNone,
};

std::string_view name_of(IdentitySource source);  // "MIDR in sysfs" "MIDR" "cpuid" "nothing"

// The kind of core that most of the process's CPUs are: of the calling thread's affinity mask.
struct CoreKind {
    std::string identity;
    IdentitySource source = IdentitySource::kNone;
    int cpus = 1, of = 1;  // that are of this kind; that were asked
};
CoreKind core_kind();

// The identity that most of `identities` are, the earliest of equals, and how many; of none, an empty one.
CoreKind most_common(std::span<const std::string> identities);

// The core's name as schedules/ and schedules/cores/ spell it, e.g. "neoverse-n1"; empty for one without a name in
// schedules/identities.
std::string_view name_of_core(std::string_view identity);

// Whether a core of schedules/identities has this name, and the one that stands for it where it has no schedule;
// empty: none does.
bool is_core_name(std::string_view name);
std::string_view relative_of(std::string_view name);

}  // namespace octile
