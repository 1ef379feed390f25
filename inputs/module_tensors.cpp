#include "inputs/module_tensors.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "inputs/messages.h"

namespace octile {

Status ModuleTensors::fail(const TensorInfo& tensor, const std::string& text) const {
    return parse_error(fmt::format("{}: tensor {}: {}", display(file_.path()), internal::quote(tensor.name), text));
}

Status ModuleTensors::expect_shape(const TensorInfo& tensor, const std::vector<std::int64_t>& shape,
                                   const TensorInfo& weights) const {
    if (tensor.shape == shape) return {};
    return fail(tensor, fmt::format("shape: expected [{}] to go with {} of {}, found {}", fmt::join(shape, ", "),
                                    shape_text(weights), internal::quote(weights.name), shape_text(tensor)));
}

Status ModuleTensors::expect_dtype(const TensorInfo& tensor, std::string_view dtypes) const {
    if ((", " + std::string(dtypes) + ",").find(fmt::format(" {},", tensor.dtype)) != std::string::npos) return {};
    return fail(tensor, fmt::format("dtype: expected {}, found {}", dtypes, tensor.dtype));
}

}  // namespace octile
