#include "runtime/kernel_table.h"

#define OCTILE_KERNEL(entry, ...) extern "C" int entry(void** arguments);
#include "kernels.inc"
#undef OCTILE_KERNEL

namespace octile {
namespace {

constexpr Kernel kTable[] = {
#define OCTILE_KERNEL(entry, ...) {entry, KernelInfo __VA_ARGS__},
#include "kernels.inc"
#undef OCTILE_KERNEL
};

}  // namespace

std::span<const Kernel> kernel_table() {
    return kTable;
}

}  // namespace octile
