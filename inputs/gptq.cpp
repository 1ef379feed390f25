#include "inputs/gptq.h"

#include <fmt/format.h>

#include "base/printable.h"

namespace octile {
namespace {

// By shapes, which count whatever config.json says; where several fit, what that says, and else the likeliest. 0: none
// does.
int bits_of(const TensorInfo& words, const ModuleTensors& module) {
    const TensorInfo *const scales = module[".scales"], *const zeros = module[".qzeros"],
                            *const order = module[".g_idx"];
    if (words.shape.size() != 2 || words.data.empty()) return 0;
    const auto fits = [&](int bits) {
        if (scales && zeros && scales->shape.size() == 2 && zeros->shape.size() == 2 &&
            words_for(scales->shape[1], bits) != zeros->shape[1])
            return false;
        return !order || order->shape.size() != 1 || words_for(order->shape[0], bits) == words.shape[0];
    };
    const int said = module.quantization().packing().bits;
    if (said > 0 && fits(said)) return said;
    for (const int bits : {4, 8, 2, 3, 5, 6, 7, 1})
        if (fits(bits)) return bits;
    return 0;
}

bool is_read(int bits) {
    return bits == 4 || bits == 8;
}

}  // namespace

std::string unread_gptq(const TensorInfo& words, const ModuleTensors& module) {
    const Packing& packing = module.quantization().packing();
    if (!packing.layout.empty() && packing.layout != "gptq" && packing.layout != "gptq_v2")
        return fmt::format(" in the order of {}", internal::quote(packing.layout));
    const int bits = bits_of(words, module);
    return bits > 0 && !is_read(bits) ? fmt::format(" of {} bit{}", bits, bits == 1 ? "" : "s") : "";
}

Result<PackedWeights> read_gptq(const TensorInfo& words, const ModuleTensors& module) {
    const TensorInfo *const scales = module[".scales"], *const zeros = module[".qzeros"],
                            *const order = module[".g_idx"];
    const int bits = bits_of(words, module) == 8 ? 8 : 4;
    if (words.shape.size() != 2 || words.data.empty())
        return module.fail(words, "shape: expected [K / 8, N], found " + shape_text(words));
    for (const auto& [part, ending] : {std::pair(scales, ".scales"), {zeros, ".qzeros"}})
        if (!part)
            return module.fail(
                words, fmt::format("expected {} beside it, found none", internal::quote(module.name() + ending)));
    for (const Status& status : {module.expect_dtype(*scales, "F16, BF16, F32"), module.expect_dtype(*zeros, "I32")})
        if (!status.ok()) return status;
    PackedWeights weights{.n = words.shape[1], .k = words.shape[0] * (32 / bits)};
    if (order && order->shape.size() == 1 && words_for(order->shape[0], bits) == words.shape[0])
        weights.k = order->shape[0];
    PackedLevels& levels = weights.levels;
    levels.form = "GPTQ";
    levels.channels_last = true;
    levels.levels = {.tensor = &words, .bits = bits, .along_rows = true};
    levels.zeros = PackedIntegers{
        .tensor = zeros, .bits = bits, .added = module.quantization().packing().layout == "gptq_v2" ? 0 : 1};
    levels.scales = scales;
    levels.group_of = order;
    levels.groups = scales->shape.empty() ? 0 : scales->shape[0];
    if (levels.groups < 1 || (!order && weights.k % levels.groups != 0)) {
        return module.fail(*scales, fmt::format("shape: expected groups that divide K = {}, found {}", weights.k,
                                                shape_text(*scales)));
    }
    levels.group = (weights.k + levels.groups - 1) / levels.groups;
    if (Status status = finish(module, weights); !status.ok()) return status;
    return weights;
}

}  // namespace octile
