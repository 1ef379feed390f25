#include "tuner/core_names.h"

#include "octile/cpu.h"
#include "runtime/core_identity.h"

#if defined(__aarch64__)
#include <sys/prctl.h>
#endif

namespace octile::tuner {

std::string core_name(std::string_view identity) {
    if (identity.starts_with(kModelPrefix)) return std::string(identity.substr(kModelPrefix.size()));
    return std::string(name_of_core(identity));
}

int vector_bits() {
#if defined(__aarch64__)
    constexpr int kGetLength = 51, kLengthMask = 0xffff;  // PR_SVE_GET_VL, PR_SVE_VL_LEN_MASK; in bytes
    const int length = prctl(kGetLength);
    return length < 0 ? 128 : 8 * (length & kLengthMask);
#else
    return supported_isas().has(Isa::kAvx512vnni) ? 512 : 256;
#endif
}

}  // namespace octile::tuner
