#include "inputs/packed_forms.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "inputs/awq.h"
#include "inputs/gguf/types.h"
#include "inputs/gptq.h"
#include "inputs/pack_quantized.h"

namespace octile {
namespace {

// How many weights a tensor holds that has this many bits for each.
std::int64_t weights_of(const TensorInfo& tensor, std::int64_t bits) {
    return static_cast<std::int64_t>(tensor.data.size()) * 8 / bits;
}

std::int64_t four_bits(const TensorInfo& weights, const ModuleTensors&) {
    return weights_of(weights, 4);
}

std::int64_t eight_bits(const TensorInfo& weights, const ModuleTensors&) {
    return weights_of(weights, 8);
}

// Zero points have as many bits as weights, and lie along the output channels as the scales do: [groups, N].
std::int64_t bits_of_zeros(const ModuleTensors& module) {
    const TensorInfo *const zeros = module[".qzeros"], *const scales = module[".scales"];
    if (!zeros || !scales || elements_of(*scales) == 0) return 4;
    const std::int64_t bits = static_cast<std::int64_t>(zeros->data.size()) * 8 / elements_of(*scales);
    return std::clamp<std::int64_t>(bits, 1, 8);
}

std::int64_t by_zeros(const TensorInfo& weights, const ModuleTensors& module) {
    return weights_of(weights, bits_of_zeros(module));
}

// compressed-tensors has the extents beside the packed words.
std::int64_t by_shape(const TensorInfo& weights, const ModuleTensors& module) {
    const TensorInfo* const shape = module[".weight_shape"];
    std::array<std::int64_t, 2> extents = {};
    if (shape && shape->dtype == "I64" && shape->data.size() == sizeof(extents))
        std::memcpy(extents.data(), shape->data.data(), sizeof(extents));
    // A weight has one bit at least: more of them the file does not hold.
    std::int64_t product = 0;
    const bool usable = extents[0] > 0 && extents[1] > 0 && !__builtin_mul_overflow(extents[0], extents[1], &product) &&
                        product <= weights_of(weights, 1);
    return usable ? product : weights_of(weights, 4);
}

struct Form {
    std::string_view name;
    std::string_view reader;
    LeftOutReason reason;
    std::string_view dtype;    // of the weights; empty: any
    std::string_view ending;   // of the weights' name
    std::string_view beside;   // of a tensor that has to be there too; empty: none
    std::string_view without;  // of one that must not; empty: none
    std::int64_t (*parameters)(const TensorInfo& weights, const ModuleTensors& module);
    // What reads it, and why this one is not read, in words that follow `name`; null: nothing reads it.
    PackedReader read = nullptr;
    std::string (*unread)(const TensorInfo& weights, const ModuleTensors& module) = nullptr;
    bool (*is)(const TensorInfo& weights, const ModuleTensors& module) = nullptr;  // null: what is above tells
};

// GPTQ and AWQ have the same names: [K / 8, N] of one are [K, N / 8] of the other.
bool is_gptq(const TensorInfo& words, const ModuleTensors& module) {
    const std::string& method = module.quantization().packing().method;
    if (method == "gptq" || method == "awq") return method == "gptq";
    const TensorInfo* const scales = module[".scales"];
    if (module[".g_idx"] || !scales) return true;
    return words.shape.size() == 2 && scales->shape.size() == 2 && words.shape[1] == scales->shape[1];
}

using enum LeftOutReason;

// The first that matches counts.
constexpr Form kForms[] = {
    {"GPTQ", "GPTQModel and vLLM", kFourBit, "I32", ".qweight", "", "", by_zeros, read_gptq, unread_gptq, is_gptq},
    {"AWQ", "AutoAWQ and vLLM", kFourBit, "I32", ".qweight", ".scales", "", by_zeros, read_awq, unread_awq},
    {"NVFP4 (compressed-tensors)", "vLLM", kFourBit, "U8", ".weight_packed", ".weight_global_scale", "", four_bits},
    {"MXFP4 (compressed-tensors)", "vLLM", kFourBit, "U8", ".weight_packed", ".weight_scale", "", four_bits},
    {"pack-quantized (compressed-tensors)", "vLLM", kFourBit, "I32", ".weight_packed", "", "", by_shape,
     read_pack_quantized, unread_pack_quantized},
    {"NVFP4 (ModelOpt)", "TensorRT-LLM and vLLM", kFourBit, "U8", ".weight", ".weight_scale_2", "", four_bits},
    {"bitsandbytes of 4 bits", "bitsandbytes", kFourBit, "U8", ".weight", ".weight.absmax", "", four_bits},
    {"MXFP4", "transformers and vLLM", kFourBit, "U8", "_blocks", "_scales", "", four_bits},
    {"HQQ", "HQQ", kFourBit, "", ".W_q", "", "", four_bits},
    {"quanto", "optimum-quanto", kFourBit, "U8", ".weight._data", ".weight._scale", "", four_bits},
    {"quanto", "optimum-quanto", kFourBit, "U8", ".weight._data._data", "", "", four_bits},
    {"quanto", "optimum-quanto", kDtype, "I8", ".weight._data", ".weight._scale", "", eight_bits},
    {"quanto", "optimum-quanto", kFloat8, "", ".weight._data", ".weight._scale", "", eight_bits},
    {"AQLM", "AQLM", kFourBit, "", ".codes", ".codebooks", "", eight_bits},
    {"EETQ", "EETQ", kDtype, "I8", ".weight", ".weight_scales", "", eight_bits},
    {"BitNet", "transformers", kFourBit, "U8", ".weight", ".weight_scale", ".weight_scale_2",
     [](const TensorInfo& weights, const ModuleTensors&) { return weights_of(weights, 2); }},
};

// Which form a tensor is the weights of; null: none.
const Form* form_of(const TensorInfo& tensor, const Checkpoint& file) {
    for (const Form& form : kForms) {
        if (!tensor.name.ends_with(form.ending) || tensor.name.size() == form.ending.size()) continue;
        if (!form.dtype.empty() && tensor.dtype != form.dtype) continue;
        const ModuleTensors module(file, tensor.name.substr(0, tensor.name.size() - form.ending.size()));
        if (!form.beside.empty() && !module[form.beside]) continue;
        if (!form.without.empty() && module[form.without]) continue;
        if (form.is && !form.is(tensor, module)) continue;
        return &form;
    }
    return nullptr;
}

// A tensor of blocks that are not read.
std::optional<PackedModule> unread_blocks(const TensorInfo& tensor) {
    const GgufType* const type = block_type(tensor.dtype);
    if (!type || type->decode) return std::nullopt;
    constexpr std::string_view kWeight = ".weight";
    const bool weight = tensor.name.size() > kWeight.size() && tensor.name.ends_with(kWeight);
    return PackedModule{.name = weight ? tensor.name.substr(0, tensor.name.size() - kWeight.size()) : tensor.name,
                        .form = std::string(type->name),
                        .reader = "llama.cpp",
                        .reason = type->block_bytes < type->block_values ? kFourBit : kDtype,
                        .parameters = elements_of(tensor),
                        .tensors = {&tensor}};
}

// What goes with weights of these forms, behind the module's name.
constexpr std::string_view kCompanions[] = {
    ".qzeros",
    ".scales",
    ".g_idx",
    ".weight_scale",
    ".weight_shape",
    ".weight_g_idx",
    ".weight_scale_2",
    ".weight_zero_point",
    ".weight_global_scale",
    ".input_global_scale",
    ".input_scale",
    ".output_scale",
    "_scales",
    "_bias",
    ".weight.absmax",
    ".weight.quant_map",
    ".weight.nested_absmax",
    ".weight.nested_quant_map",
    ".weight.quant_state.bitsandbytes__nf4",
    ".weight.quant_state.bitsandbytes__fp4",
    ".scale",
    ".zero",
    ".nbits",
    ".group_size",
    ".shape",
    ".axis",
    ".meta",
    ".weight._scale",
    ".weight._shift",
    ".weight._zeropoint",
    ".weight._data._scale",
    ".codebooks",
    ".weight_scales",
    ".bias",
};

}  // namespace

std::vector<PackedModule> find_packed_modules(const Checkpoint& checkpoint) {
    std::vector<PackedModule> found;
    for (const TensorInfo* const tensor : checkpoint.tensors()) {
        if (std::optional<PackedModule> unread = unread_blocks(*tensor)) {
            found.push_back(std::move(*unread));
            continue;
        }
        const Form* const form = form_of(*tensor, checkpoint);
        if (!form) continue;
        const std::string name = tensor->name.substr(0, tensor->name.size() - form->ending.size());
        const ModuleTensors module(checkpoint, name);
        const std::string unread = form->unread ? form->unread(*tensor, module) : "";
        PackedModule packed{.name = name,
                            .form = std::string(form->name) + unread,
                            .reader = form->reader,
                            .reason = form->reason,
                            .parameters = form->parameters(*tensor, module),
                            .tensors = {tensor},
                            .read = unread.empty() ? form->read : nullptr};
        // Integers of eight bits are packed in the same ways.
        if (packed.reason == kFourBit && form->parameters != eight_bits && weights_of(*tensor, 8) >= packed.parameters)
            packed.reason = kDtype;
        for (const std::string_view ending : kCompanions) {
            const TensorInfo* const companion = module[ending];
            if (companion && companion != tensor) packed.tensors.push_back(companion);
        }
        found.push_back(std::move(packed));
    }
    return found;
}

}  // namespace octile
