#include "inputs/tensor_info.h"

namespace octile {

std::string shape_text(const TensorInfo& tensor) {
    std::string text = "[";
    for (const std::int64_t extent : tensor.shape)
        text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
    return text + "]";
}

std::int64_t elements_of(const TensorInfo& tensor) {
    std::int64_t elements = 1;
    for (const std::int64_t extent : tensor.shape)
        elements *= extent;
    return elements;
}

}  // namespace octile
