#include "runtime/halide_call.h"

#include <fmt/format.h>

#include <string>

#include "base/check.h"
#include "runtime/halide_runtime.h"

namespace octile {
namespace {

constexpr std::size_t kMaxArguments = 12;

// Halide's own handler aborts the process. The message is for the thread that called the kernel; from a worker it may
// be lost, the return code never is.
thread_local std::string last_error;

void keep_error(void*, const char* message) {
    last_error = message;
}

}  // namespace

halide_type_t halide_type_of(DataType type) {
    switch (type) {
        case DataType::kF32:
            return {halide_type_float, 32, 1};
        case DataType::kF16:
            return {halide_type_float, 16, 1};
        case DataType::kBF16:
            return {halide_type_bfloat, 16, 1};
        case DataType::kI8:
            break;
    }
    return {halide_type_int, 8, 1};
}

halide_type_t halide_type_of(Element element) {
    switch (element) {
        case Element::kS8:
            return {halide_type_int, 8, 1};
        case Element::kU8:
            return {halide_type_uint, 8, 1};
        case Element::kS16:
            return {halide_type_int, 16, 1};
        case Element::kF16:
            return {halide_type_float, 16, 1};
        case Element::kF32:
            break;
    }
    return {halide_type_float, 32, 1};
}

Status call_kernel(const Kernel& kernel, std::initializer_list<KernelArgument> arguments) {
    static const bool handler_installed = (octile_halide_set_error_handler(keep_error), true);
    (void)handler_installed;
    std::array<void*, kMaxArguments> pointers;
    OCTILE_CHECK_LE(arguments.size(), pointers.size());
    std::size_t count = 0;
    for (const KernelArgument& argument : arguments)
        pointers[count++] = argument.get();
    const int code = kernel.entry(pointers.data());
    if (code == 0) return {};
    const std::string error = std::exchange(last_error, {});
    return Status(StatusCode::kInternal, fmt::format("kernel {} failed with code {}{}{}", kernel.info.name, code,
                                                     error.empty() ? "" : ": ", error));
}

}  // namespace octile
