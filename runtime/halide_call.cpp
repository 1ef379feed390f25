#include "runtime/halide_call.h"

#include <fmt/format.h>

#include "base/check.h"

namespace octile {
namespace {

constexpr std::size_t kMaxArguments = 12;

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
    std::array<void*, kMaxArguments> pointers;
    OCTILE_CHECK_LE(arguments.size(), pointers.size());
    std::size_t count = 0;
    for (const KernelArgument& argument : arguments)
        pointers[count++] = argument.get();
    const int code = kernel.entry(pointers.data());
    if (code == 0) return {};
    return Status(StatusCode::kInternal, fmt::format("kernel {} failed with code {}", kernel.info.name, code));
}

}  // namespace octile
