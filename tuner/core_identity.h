// Which core ran, as the hardware says: what records of the database are keyed by.
#pragma once

#include <string>
#include <string_view>

namespace octile::tuner {

// Of the CPU that the calling thread is on: "arm:0x41:0xd0c" (MIDR_EL1's implementer and part number), or
// "x86:GenuineIntel:6:143+avx512vnni+amx" (cpuid's vendor, family and model, and what a virtual machine that renames
// its CPU cannot hide). "arm:unknown" where the system does not say.
std::string core_identity();

// The core's name as schedules/ and schedules/cores/ spell it, e.g. "neoverse-n1"; empty for one without a name here.
// An identity "model:<name>", of records that a model made, has that name.
std::string core_name(std::string_view identity);

inline constexpr std::string_view kModelPrefix = "model:";

// Bits of the longest vector register that the calling thread may use.
int vector_bits();

}  // namespace octile::tuner
