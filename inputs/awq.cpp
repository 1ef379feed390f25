#include "inputs/awq.h"

#include <fmt/format.h>

#include "base/printable.h"

namespace octile {
namespace {

constexpr int kBits = 4;

// The place of each n of a word, where the n of the places are 0, 2, 4, 6, 1, 3, 5, 7.
constexpr PackedIntegers::Order kOrder = {0, 4, 1, 5, 2, 6, 3, 7};

}  // namespace

std::string unread_awq(const TensorInfo& words, const ModuleTensors& module) {
    const Packing& packing = module.quantization().packing();
    if (!packing.layout.empty() && packing.layout != "gemm")
        return fmt::format(" in the order of {}", internal::quote(packing.layout));
    const TensorInfo* const scales = module[".scales"];
    if (!scales || scales->shape.size() != 2 || scales->shape[1] == 0 || words.shape.size() != 2 || words.data.empty())
        return "";
    const std::int64_t bits = words.shape[1] * 32 / scales->shape[1];
    return bits >= 1 && bits <= 8 && bits != kBits ? fmt::format(" of {} bit{}", bits, bits == 1 ? "" : "s") : "";
}

Result<PackedWeights> read_awq(const TensorInfo& words, const ModuleTensors& module) {
    const TensorInfo *const scales = module[".scales"], *const zeros = module[".qzeros"];
    if (words.shape.size() != 2 || words.data.empty())
        return module.fail(words, "shape: expected [K, N / 8], found " + shape_text(words));
    for (const auto& [part, ending] : {std::pair(scales, ".scales"), {zeros, ".qzeros"}})
        if (!part)
            return module.fail(
                words, fmt::format("expected {} beside it, found none", internal::quote(module.name() + ending)));
    for (const Status& status : {module.expect_dtype(*scales, "F16, BF16, F32"), module.expect_dtype(*zeros, "I32")})
        if (!status.ok()) return status;
    PackedWeights weights{.n = words.shape[1] * (32 / kBits), .k = words.shape[0]};
    PackedLevels& levels = weights.levels;
    levels.form = "AWQ";
    levels.channels_last = true;
    levels.levels = {.tensor = &words, .bits = kBits, .order = &kOrder};
    levels.zeros = PackedIntegers{.tensor = zeros, .bits = kBits, .order = &kOrder};
    levels.scales = scales;
    levels.groups = scales->shape.empty() ? 0 : scales->shape[0];
    if (levels.groups < 1 || weights.k % levels.groups != 0) {
        return module.fail(*scales, fmt::format("shape: expected groups that divide K = {}, found {}", weights.k,
                                                shape_text(*scales)));
    }
    levels.group = weights.k / levels.groups;
    if (Status status = finish(module, weights); !status.ok()) return status;
    return weights;
}

}  // namespace octile
