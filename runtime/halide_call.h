// The one place where Halide's kernels are called: buffers in, Status out.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "HalideRuntime.h"
#include "octile/types.h"
#include "planner/kernel_info.h"
#include "runtime/kernel_table.h"

namespace octile {

halide_type_t halide_type_of(DataType type);
halide_type_t halide_type_of(Element element);

// A dense or strided view of memory as Halide wants it. Extents in elements, innermost first; borrowed memory.
class HalideBuffer {
  public:
    static constexpr int kMaxDimensions = 4;

    struct Dimension {
        std::int64_t extent;
        std::int64_t stride;
    };

    // Dense: each dimension's stride is the product of the extents before it.
    HalideBuffer(const void* data, halide_type_t type, std::initializer_list<std::int64_t> extents);
    HalideBuffer(const void* data, halide_type_t type, std::initializer_list<Dimension> dimensions);
    HalideBuffer(const HalideBuffer&) = delete;
    HalideBuffer& operator=(const HalideBuffer&) = delete;

    halide_buffer_t* get() { return &buffer_; }

  private:
    void set_dimension(int index, std::int64_t extent, std::int64_t stride);

    std::array<halide_dimension_t, kMaxDimensions> dimensions_{};
    halide_buffer_t buffer_{};
};

// Runs a kernel on its arguments, in the order of its KernelFamily. kInternal, with Halide's message, if it fails:
// shapes are checked before this is called, so a failure is a defect or a failed allocation.
Status call_kernel(const Kernel& kernel, std::initializer_list<HalideBuffer*> arguments);

}  // namespace octile
