#include "inputs/pack_quantized.h"

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/printable.h"

namespace octile {
namespace {

// N and K; nothing where the file does not say them.
std::optional<std::pair<std::int64_t, std::int64_t>> extents_of(const TensorInfo* shape) {
    if (!shape || shape->shape != std::vector<std::int64_t>{2}) return std::nullopt;
    const auto read = [&]<typename Extent>(Extent) {
        Extent extents[2];
        std::memcpy(extents, shape->data.data(), sizeof(extents));
        return std::pair<std::int64_t, std::int64_t>(extents[0], extents[1]);
    };
    if (shape->dtype == "I64") return read(std::int64_t());
    if (shape->dtype == "I32") return read(std::int32_t());
    return std::nullopt;
}

// What config.json says, or what the words have room for; 0: neither tells.
int bits_of(const TensorInfo& words, const ModuleTensors& module) {
    if (const int said = module.quantization().weight_bits(module.name()); said > 0) return said;
    const auto extents = extents_of(module[".weight_shape"]);
    if (!extents || words.shape.size() != 2 || words.data.empty()) return 0;
    // Of few k several may fit: the likeliest first.
    for (const int bits : {4, 8, 2, 1, 3, 5, 6, 7})
        if (extents->second > 0 && words_for(extents->second, bits) == words.shape[1]) return bits;
    return 0;
}

// Whether every k has its place in the order they lie in: a g_idx that is not used is -1.
bool is_unused(const TensorInfo& order) {
    std::int32_t first = 0;
    if (order.dtype != "I32" || order.data.size() < sizeof(first)) return false;
    std::memcpy(&first, order.data.data(), sizeof(first));
    return first == -1;
}

// As many of each group: quantizers sort k by group and cut what comes out.
Status check_even(const ModuleTensors& module, const PackedWeights& weights) {
    const PackedLevels& levels = weights.levels;
    std::vector<std::int64_t> counts(static_cast<std::size_t>(levels.groups));
    for (std::int64_t k = 0; k < weights.k; k++)
        counts[static_cast<std::size_t>(levels.group_at(k))]++;
    for (std::size_t group = 0; group < counts.size(); group++) {
        if (counts[group] == levels.group) continue;
        return module.fail(*levels.group_of, fmt::format("group {}: expected {} of K = {}, found {}", group,
                                                         levels.group, weights.k, counts[group]));
    }
    return {};
}

}  // namespace

std::string unread_pack_quantized(const TensorInfo& words, const ModuleTensors& module) {
    const int bits = bits_of(words, module);
    return bits == 0 || bits == 4 || bits == 8 ? "" : fmt::format(" of {} bit{}", bits, bits == 1 ? "" : "s");
}

Result<PackedWeights> read_pack_quantized(const TensorInfo& words, const ModuleTensors& module) {
    const TensorInfo *const scales = module[".weight_scale"], *const shape = module[".weight_shape"],
                            *const zeros = module[".weight_zero_point"], *const order = module[".weight_g_idx"];
    for (const auto& [part, ending] : {std::pair(scales, ".weight_scale"), {shape, ".weight_shape"}})
        if (!part)
            return module.fail(
                words, fmt::format("expected {} beside it, found none", internal::quote(module.name() + ending)));
    const auto extents = extents_of(shape);
    if (!extents) {
        return module.fail(*shape, fmt::format("expected I64 [2], N and K of the weight, found {} {}", shape->dtype,
                                               shape_text(*shape)));
    }
    const int bits = bits_of(words, module) == 8 ? 8 : 4;
    const auto [n, k] = *extents;
    PackedWeights weights{.n = n, .k = k};
    PackedLevels& levels = weights.levels;
    levels.form = "pack-quantized";
    levels.levels = {.tensor = &words, .bits = bits};
    const bool fits = words.shape.size() == 2 && !words.data.empty() && n >= 1 && k >= 1 && words.shape[0] == n &&
                      words_for(k, bits) == words.shape[1];
    if (!fits) {
        return module.fail(*shape, fmt::format("expected N and K of {} bits to go with {} words of {}, found [{}, {}]",
                                               bits, shape_text(words), internal::quote(words.name), n, k));
    }
    if (Status status = module.expect_dtype(*scales, "BF16, F16, F32"); !status.ok()) return status;
    levels.zero = 1 << (bits - 1);
    if (zeros) {
        if (Status status = module.expect_dtype(*zeros, "I32, I8"); !status.ok()) return status;
        levels.zeros = PackedIntegers{
            .tensor = zeros, .bits = bits, .along_rows = true, .added = zeros->dtype == "I8" ? levels.zero : 0};
    }
    levels.scales = scales;
    levels.groups = scales->shape.size() == 2 ? scales->shape[1] : 1;
    if (levels.groups < 1 || k % levels.groups != 0) {
        return module.fail(*scales, fmt::format("shape: expected [{}, groups that divide K = {}], found {}", n, k,
                                                shape_text(*scales)));
    }
    levels.group = k / levels.groups;
    if (order && !is_unused(*order)) levels.group_of = order;
    if (Status status = finish(module, weights); !status.ok()) return status;
    weights.tensors.push_back(shape);
    if (order && !levels.group_of) weights.tensors.push_back(order);
    if (levels.group_of)
        if (Status status = check_even(module, weights); !status.ok()) return status;
    return weights;
}

}  // namespace octile
