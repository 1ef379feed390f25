#include "runtime/kernel_table.h"

// Hidden here, a kernel is hidden in whatever the archive is linked into.
#define OCTILE_KERNEL(entry, ...) extern "C" [[gnu::visibility("hidden")]] int entry(void** arguments);
#include "kernels.inc"
#undef OCTILE_KERNEL

namespace octile {
namespace {

constexpr Kernel kTable[] = {
#define OCTILE_KERNEL(entry, ...) {entry, KernelInfo __VA_ARGS__},
#include "kernels.inc"
#undef OCTILE_KERNEL
};

constexpr std::string_view kSchedules[] = {
#include "schedules.inc"
};

}  // namespace

std::span<const Kernel> kernel_table() {
    return kTable;
}

std::span<const std::string_view> built_schedules() {
    return kSchedules;
}

}  // namespace octile
