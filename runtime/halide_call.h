// The one place where Halide's kernels are called: buffers in, Status out.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "HalideRuntime.h"
#include "base/check.h"
#include "octile/types.h"
#include "planner/kernel_info.h"
#include "runtime/kernel_table.h"

namespace octile {

halide_type_t halide_type_of(DataType type);
halide_type_t halide_type_of(Element element);
inline const halide_type_t kFloat32(halide_type_float, 32);
inline const halide_type_t kInt32(halide_type_int, 32);

// A dense or strided view of memory as Halide wants it. Extents in elements, innermost first; borrowed memory.
class HalideBuffer {
  public:
    static constexpr int kMaxDimensions = 4;

    struct Dimension {
        std::int64_t extent;
        std::int64_t stride;
    };

    // Dense: each dimension's stride is the product of the extents before it.
    HalideBuffer(const void* data, halide_type_t type, std::initializer_list<std::int64_t> extents)
        : HalideBuffer(data, type) {
        std::int64_t stride = 1;
        for (const std::int64_t extent : extents) {
            add_dimension(extent, stride);
            stride *= extent;
        }
    }
    HalideBuffer(const void* data, halide_type_t type, std::initializer_list<Dimension> dimensions)
        : HalideBuffer(data, type) {
        for (const Dimension& dimension : dimensions)
            add_dimension(dimension.extent, dimension.stride);
    }
    HalideBuffer(const HalideBuffer&) = delete;
    HalideBuffer& operator=(const HalideBuffer&) = delete;

    halide_buffer_t* get() { return &buffer_; }

  private:
    HalideBuffer(const void* data, halide_type_t type) {
        buffer_.host = static_cast<std::uint8_t*>(const_cast<void*>(data));
        buffer_.type = type;
        buffer_.dim = dimensions_;
    }
    void add_dimension(std::int64_t extent, std::int64_t stride) {
        OCTILE_CHECK_LT(buffer_.dimensions, kMaxDimensions);
        OCTILE_CHECK_LE(extent, INT32_MAX);
        OCTILE_CHECK_LE(stride, INT32_MAX);
        halide_dimension_t& dimension = dimensions_[buffer_.dimensions++];
        dimension.min = 0;
        dimension.extent = static_cast<std::int32_t>(extent);
        dimension.stride = static_cast<std::int32_t>(stride);
        dimension.flags = 0;
    }

    // Not initialised beyond buffer_.dimensions: a call at M = 1 makes a dozen of these.
    union {
        halide_dimension_t dimensions_[kMaxDimensions];
    };
    halide_buffer_t buffer_{};
};

// One argument of a kernel: a buffer, or the address of a scalar. Borrowed until the call returns.
class KernelArgument {
  public:
    KernelArgument(HalideBuffer& buffer) : pointer_(buffer.get()) {}                              // NOLINT: implicit
    KernelArgument(const float& scalar) : pointer_(const_cast<float*>(&scalar)) {}                // NOLINT: implicit
    KernelArgument(const std::int32_t& scalar) : pointer_(const_cast<std::int32_t*>(&scalar)) {}  // NOLINT: implicit

    void* get() const { return pointer_; }

  private:
    void* pointer_;
};

// Runs a kernel on its arguments, in the order of its KernelFamily. The kernel does not check them. kInternal if it
// fails: a defect. Kernels need nothing of Halide's run-time library, which is not linked.
Status call_kernel(const Kernel& kernel, std::initializer_list<KernelArgument> arguments);

}  // namespace octile
