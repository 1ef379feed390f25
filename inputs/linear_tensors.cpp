#include "inputs/linear_tensors.h"

#include <algorithm>
#include <map>
#include <new>
#include <optional>
#include <utility>

#include "base/pattern.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/tensor_names.h"
#include "inputs/tied_head.h"
#include "inputs/weight_rules.h"

namespace octile {
namespace {

// The layer that a module is, as far as its tensors tell: until a network says so, that it is one is an assumption.
// Empty: none.
std::optional<LinearTensor> layer_of(const WeightModule& module, std::int64_t tokens) {
    if (module.kind != ModuleKind::kLinear && module.kind != ModuleKind::kNorm) return std::nullopt;
    const bool is_linear = module.kind == ModuleKind::kLinear;
    return LinearTensor{.layer = {.name = module.name,
                                  .op = is_linear ? Op::kLinear : Op::kLayerNorm,
                                  .m = tokens,
                                  .k = module.weight.k,
                                  .n = is_linear ? module.weight.n : module.weight.k,
                                  .count = 1,
                                  .activation = Activation::kNone,
                                  .bias = module.bias.has_value(),
                                  .inputs = {},
                                  .weights = module.form,
                                  .input_unknown = true,
                                  .assumptions = {is_linear ? "a linear by its shape" : "a norm by its shape"}},
                        .weight = module.weight,
                        .bias = module.bias,
                        .input = module.input,
                        .tensors = module.tensors};
}

Status no_linears(const Checkpoint& checkpoint, const std::vector<LeftOut>& left_out) {
    const auto adapter = std::find_if(left_out.begin(), left_out.end(),
                                      [](const LeftOut& left) { return left.reason == LeftOutReason::kAdapter; });
    if (adapter != left_out.end()) {
        return parse_error(display(checkpoint.path()) + ": expected a network, found an adapter (" +
                           internal::quote(adapter->tensor) +
                           "): merge it into its base, as merge_and_unload() of peft does");
    }
    std::string first;
    if (!left_out.empty()) first = " (" + internal::quote(left_out.front().tensor) + ": " + left_out.front().text + ")";
    return parse_error(display(checkpoint.path()) +
                       ": expected at least one 2-D *.weight that is a linear layer, found none among " +
                       std::to_string(checkpoint.tensors().size()) + " tensors" + first);
}

// Where INT8 treats the inputs of int8 weights in another way than whoever quantized them.
void note_inputs(const Checkpoint& checkpoint, LinearTensors& found) {
    const auto int8 = std::count_if(found.layers.begin(), found.layers.end(), [](const LinearTensor& tensor) {
        return tensor.layer.weights == WeightForm::kInt8;
    });
    const auto moved = std::count_if(found.layers.begin(), found.layers.end(),
                                     [](const LinearTensor& tensor) { return tensor.input.static_zero_point; });
    const std::string file = display(checkpoint.path()) + ": ";
    if (moved > 0) {
        found.notes.push_back(file + std::to_string(moved) +
                              " linears have one scale and zero point for all inputs; INT8 here finds both row by row");
    }
    if (int8 > 0 && checkpoint.quantization().weights_alone()) {
        found.notes.push_back(file +
                              "the quantized weights were made for inputs in floats, which INT8 quantizes too; --force "
                              ".=fp16 does not");
    }
}

}  // namespace

Result<LinearTensors> find_linear_tensors(const Checkpoint& checkpoint, std::int64_t tokens, const WeightRules& rules) {
    if (tokens < 1 || tokens > max_of("m")) {
        return Status(StatusCode::kInvalidArgument, "--tokens: " + wrong_extent("m", std::to_string(tokens)));
    }
    try {
        Result<WeightModules> modules = find_weight_modules(checkpoint, rules);
        if (!modules.ok()) return modules.status();
        LinearTensors found;
        found.left_out = std::move(modules->left_out);
        for (const LeftOut& left : found.left_out)
            found.parameters += left.parameters;
        for (const WeightModule& module : modules->modules) {
            found.parameters += parameters_of(module);
            if (std::optional<LinearTensor> layer = layer_of(module, tokens)) {
                found.layers.push_back(std::move(*layer));
                continue;
            }
            const bool table = module.kind == ModuleKind::kTable;
            for (const TensorInfo* const tensor : module.tensors) {
                found.left_out.push_back(left_out_of(*tensor, table ? LeftOutReason::kTable : LeftOutReason::kExperts,
                                                     !table ? "experts in one tensor, which may lie either way"
                                                     : table_name(module.name) == TableName::kKnown
                                                         ? "an embedding table"
                                                         : "taken for a table by its name"));
                found.left_out.back().assumed = table;
            }
        }
        const auto is_linear = [](const LinearTensor& tensor) { return tensor.layer.op == Op::kLinear; };
        if (std::none_of(found.layers.begin(), found.layers.end(), is_linear)) {
            return no_linears(checkpoint, found.left_out);
        }
        std::sort(found.layers.begin(), found.layers.end(), [](const LinearTensor& a, const LinearTensor& b) {
            return natural_order(a.layer.name, b.layer.name) < 0;
        });
        found.notes = checkpoint.notes();
        note_inputs(checkpoint, found);
        if (std::string note = tied_head_note(checkpoint); !note.empty()) found.notes.push_back(std::move(note));
        return found;
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory,
                      display(checkpoint.path()) + ": not enough memory for its list of layers");
    }
}

std::string stored_forms_note(const Checkpoint& checkpoint, const std::vector<LinearTensor>& layers) {
    std::map<std::string, int> counts;
    for (const LinearTensor& tensor : layers)
        if (std::string form = stored_form(tensor.weight); tensor.layer.op == Op::kLinear && !form.empty())
            counts[std::move(form)]++;
    if (counts.empty()) return "";
    std::string forms;
    for (const auto& [form, count] : counts)
        forms += (forms.empty() ? "" : ", ") + std::to_string(count) + " of " + form;
    return display(checkpoint.path()) + ": linears come quantized (" + forms +
           "), and are packed from the values that these stand for";
}

Result<LinearTensors> find_linear_tensors(const Checkpoint& checkpoint, std::int64_t tokens, const std::string& skip) {
    const Result<WeightRules> rules = make_weight_rules({.leave_out = skip});
    return rules.ok() ? find_linear_tensors(checkpoint, tokens, rules.value()) : rules.status();
}

}  // namespace octile
