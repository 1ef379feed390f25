#include "runtime/halide_call.h"

#include <fmt/format.h>

#include <string>

#include "base/check.h"
#include "runtime/halide_runtime.h"

namespace octile {
namespace {

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

HalideBuffer::HalideBuffer(const void* data, halide_type_t type, std::initializer_list<std::int64_t> extents) {
    buffer_.host = static_cast<std::uint8_t*>(const_cast<void*>(data));
    buffer_.type = type;
    std::int64_t stride = 1;
    for (std::int64_t extent : extents) {
        set_dimension(buffer_.dimensions++, extent, stride);
        stride *= extent;
    }
    buffer_.dim = dimensions_.data();
}

HalideBuffer::HalideBuffer(const void* data, halide_type_t type, std::initializer_list<Dimension> dimensions) {
    buffer_.host = static_cast<std::uint8_t*>(const_cast<void*>(data));
    buffer_.type = type;
    for (const Dimension& dimension : dimensions)
        set_dimension(buffer_.dimensions++, dimension.extent, dimension.stride);
    buffer_.dim = dimensions_.data();
}

void HalideBuffer::set_dimension(int index, std::int64_t extent, std::int64_t stride) {
    OCTILE_CHECK_LT(index, kMaxDimensions);
    OCTILE_CHECK_LE(extent, INT32_MAX);
    OCTILE_CHECK_LE(stride, INT32_MAX);
    dimensions_[static_cast<std::size_t>(index)] =
        halide_dimension_t(0, static_cast<std::int32_t>(extent), static_cast<std::int32_t>(stride));
}

Status call_kernel(const Kernel& kernel, std::initializer_list<HalideBuffer*> arguments) {
    static const bool handler_installed = (octile_halide_set_error_handler(keep_error), true);
    (void)handler_installed;
    std::array<void*, 8> pointers{};
    OCTILE_CHECK_LE(arguments.size(), pointers.size());
    std::size_t count = 0;
    for (HalideBuffer* argument : arguments)
        pointers[count++] = argument->get();
    last_error.clear();
    const int code = kernel.entry(pointers.data());
    if (code == 0) return {};
    return Status(StatusCode::kInternal, fmt::format("kernel {} failed with code {}{}{}", kernel.info.name, code,
                                                     last_error.empty() ? "" : ": ", last_error));
}

}  // namespace octile
