// What this CPU can run. Found out once, from the operating system (hwcaps on Arm, cpuid on x86), never from compiler
// flags.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "octile/export.h"
#include "octile/status.h"

namespace OCTILE_API octile {

// The instruction-set levels that kernels are built for, each architecture's from the lowest up.
enum class Isa {
    kAvx2,        // x86-64: AVX2, FMA, F16C
    kAvxvnni,     // x86-64: the same and AVX-VNNI
    kAvx512vnni,  // x86-64: AVX-512 F, BW, DQ, VL and VNNI
    kNeon,        // aarch64: ARMv8.0-A, every 64-bit Arm CPU
    kFp16,        // aarch64: FEAT_FP16 arithmetic; floating-point kernels only
    kDotprod,     // aarch64: FEAT_DotProd (SDOT)
    kI8mm,        // aarch64: FEAT_I8MM (SMMLA)
    kSve256,      // aarch64: the same on SVE registers of exactly 256 bits
};
inline constexpr int kIsaCount = 8;

// "avx2" "avxvnni" "avx512vnni" "neon" "fp16" "dotprod" "i8mm" "sve256"
std::string_view name_of(Isa isa);
std::optional<Isa> parse_isa(std::string_view name);

class IsaSet {
  public:
    constexpr IsaSet() = default;
    constexpr IsaSet& add(Isa isa) {
        bits_ |= 1u << static_cast<unsigned>(isa);
        return *this;
    }
    constexpr bool has(Isa isa) const { return (bits_ >> static_cast<unsigned>(isa)) & 1u; }
    constexpr bool empty() const { return bits_ == 0; }
    bool operator==(const IsaSet&) const = default;

  private:
    std::uint32_t bits_ = 0;
};

// Levels whose every instruction this CPU executes and the operating system lets it execute. The length of SVE's
// vectors is that of the first thread that asks: a process that changes it (prctl PR_SVE_SET_VL) does so before.
IsaSet supported_isas();

// `supported` without the levels above `level`. kUnsupported, naming what there is, if `supported` lacks the level
// itself.
Result<IsaSet> limit_isas(IsaSet supported, std::string_view level);

// supported_isas(), limited to the level that the environment variable OCTILE_ISA names, if it is set. An unknown or
// missing level is an error and never ignored. Read on every call.
Result<IsaSet> usable_isas();

// "neon fp16 dotprod", lowest first.
std::string to_string(IsaSet isas);

}  // namespace octile
