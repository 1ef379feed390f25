#include "inputs/checkpoint_lookup.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "inputs/tensor_values.h"

namespace octile {

TensorLookup lookup_in(const Checkpoint& checkpoint) {
    return [&checkpoint](std::string_view name) -> std::optional<TensorSource> {
        const TensorInfo* tensor = checkpoint.find(name);
        if (!tensor || tensor->shape.empty() || tensor->shape.size() > 2) return std::nullopt;
        if (!tensor->type && !has_unscaled_floats(*tensor)) return std::nullopt;
        const std::int64_t rows = tensor->shape.size() == 2 ? tensor->shape[0] : 1, columns = tensor->shape.back();
        if (!tensor->type) {
            const auto values = std::make_shared<const std::vector<float>>(values_of(*tensor));
            return TensorSource{{values->data(), DataType::kF32, rows, columns, columns}, values};
        }
        TensorSource source{{tensor->data.data(), *tensor->type, rows, columns, columns}};
        if (reinterpret_cast<std::uintptr_t>(tensor->data.data()) % size_of(*tensor->type) == 0) return source;
        const std::shared_ptr<std::byte[]> copy = std::make_shared_for_overwrite<std::byte[]>(tensor->data.size());
        std::memcpy(copy.get(), tensor->data.data(), tensor->data.size());
        source.view.data = copy.get();
        source.owner = copy;
        return source;
    };
}

}  // namespace octile
