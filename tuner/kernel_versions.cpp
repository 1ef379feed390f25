#include "tuner/kernel_versions.h"

#include <array>

namespace octile::tuner {
namespace {

constexpr auto kVersions = std::to_array<KernelVersion>({
#define OCTILE_KERNEL_VERSION(kernel, digest) {kernel, digest},
#define OCTILE_TOOL_VERSIONS(halide, clang)
#include "kernel_versions.inc"
#undef OCTILE_KERNEL_VERSION
#undef OCTILE_TOOL_VERSIONS
});

#define OCTILE_KERNEL_VERSION(kernel, digest)
#define OCTILE_TOOL_VERSIONS(halide, clang) constexpr std::string_view kHalide = halide, kClang = clang;
#include "kernel_versions.inc"
#undef OCTILE_KERNEL_VERSION
#undef OCTILE_TOOL_VERSIONS

}  // namespace

std::span<const KernelVersion> kernel_versions() {
    return kVersions;
}

std::string_view digest_of_kernel(std::string_view kernel) {
    for (const KernelVersion& version : kVersions) {
        if (version.kernel == kernel) return version.digest;
    }
    return {};
}

std::string_view halide_version() {
    return kHalide;
}

std::string_view clang_version() {
    return kClang;
}

}  // namespace octile::tuner
