#include "runtime/epilogue.h"

#include "runtime/matrix.h"

namespace octile {
namespace {

// The numbers of generators/activation.cpp.
constexpr std::int32_t kClampCode = 8;

std::int32_t code_of(Activation activation) {
    switch (activation) {
        case Activation::kNone:
            return 0;
        case Activation::kRelu:
            return 1;
        case Activation::kRelu6:
            return 2;
        case Activation::kHardswish:
            return 3;
        case Activation::kGelu:
            return 4;
        case Activation::kGeluTanh:
            return 5;
        case Activation::kQuickGelu:
            return 6;
        case Activation::kSilu:
            break;
    }
    return 7;
}

}  // namespace

Status Epilogue::run(const Kernel& kernel, const MatrixView& z, const MatrixView& other,
                     const MutableMatrixView& y) const {
    const std::int32_t code = range ? kClampCode : code_of(activation);
    const float low = range ? range->low : 0, high = range ? range->high : 0;
    const float levels_per_unit = output_scale > 0 ? 1.0f / output_scale : 0;
    HalideBuffer source = matrix_buffer(z), target = matrix_buffer(y);
    if (kernel.info.combine == Combine::kNone)
        return call_kernel(kernel, {source, code, low, high, levels_per_unit, target});
    HalideBuffer second = matrix_buffer(other);
    return call_kernel(kernel, {source, code, low, high, levels_per_unit, second, target});
}

}  // namespace octile
