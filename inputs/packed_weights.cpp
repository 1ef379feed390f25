#include "inputs/packed_weights.h"

#include <fmt/format.h>

#include <cmath>

#include "inputs/tensor_values.h"

namespace octile {
namespace {

// Extents of a matrix of one value for each channel and group.
std::vector<std::int64_t> by_group(const PackedWeights& weights) {
    const PackedLevels& levels = weights.levels;
    return levels.channels_last ? std::vector{levels.groups, weights.n} : std::vector{weights.n, levels.groups};
}

Status check_scales(const ModuleTensors& module, const PackedWeights& weights) {
    const TensorInfo& scales = *weights.levels.scales;
    if (Status status = module.expect_shape(scales, by_group(weights), *weights.levels.levels.tensor); !status.ok())
        return status;
    for (const float scale : values_of(scales)) {
        if (std::isfinite(scale) && scale >= 0) continue;
        return module.fail(scales, fmt::format("expected finite scales of 0 and above, found {}", scale));
    }
    return {};
}

Status check_groups(const ModuleTensors& module, const PackedWeights& weights) {
    const PackedLevels& levels = weights.levels;
    for (std::int64_t k = 0; k < weights.k; k++) {
        const std::int64_t group = levels.group_at(k);
        if (group >= 0 && group < levels.groups) continue;
        return module.fail(*levels.group_of, fmt::format("element {}: expected a group from 0 to {}, found {}", k,
                                                         levels.groups - 1, group));
    }
    return {};
}

}  // namespace

Status finish(const ModuleTensors& module, PackedWeights& weights) {
    const PackedLevels& levels = weights.levels;
    const TensorInfo& words = *levels.levels.tensor;
    if (Status status = check_scales(module, weights); !status.ok()) return status;
    weights.tensors = {&words, levels.scales};
    if (levels.zeros) {
        const std::vector<std::int64_t> values = by_group(weights);
        Status status = module.expect_shape(*levels.zeros->tensor, levels.zeros->shape(values[0], values[1]), words);
        if (!status.ok()) return status;
        weights.tensors.push_back(levels.zeros->tensor);
    }
    if (!levels.group_of) return {};
    for (const Status& status :
         {module.expect_dtype(*levels.group_of, "I32, I64"), module.expect_shape(*levels.group_of, {weights.k}, words)})
        if (!status.ok()) return status;
    weights.tensors.push_back(levels.group_of);
    return check_groups(module, weights);
}

}  // namespace octile
