#include "inputs/linear_tensors.h"

#include <algorithm>
#include <new>
#include <optional>
#include <regex>
#include <string_view>
#include <utility>

#include "inputs/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/tensor_names.h"

namespace octile {
namespace {

// std::regex recurses in proportion to the name it searches: names and patterns are bounded so that no input can
// exhaust the stack.
Result<std::optional<std::regex>> compile(const std::string& skip) {
    if (skip.empty()) return std::optional<std::regex>();
    if (skip.size() > kMaxNameBytes) {
        return Status(StatusCode::kInvalidArgument, "--skip: expected a regular expression of at most " +
                                                        std::to_string(kMaxNameBytes) + " bytes, found " +
                                                        internal::quote(skip));
    }
    try {
        return std::optional<std::regex>(std::regex(skip, std::regex::ECMAScript | std::regex::optimize));
    } catch (const std::regex_error& error) {
        return Status(StatusCode::kInvalidArgument,
                      "--skip: expected a regular expression, found " + internal::quote(skip) + ": " + error.what());
    }
}

// The layer that a module is; empty: none.
std::optional<LinearTensor> layer_of(const WeightModule& module, std::int64_t tokens) {
    if (module.kind != ModuleKind::kLinear && module.kind != ModuleKind::kNorm) return std::nullopt;
    const bool is_linear = module.kind == ModuleKind::kLinear;
    return LinearTensor{.layer = {.name = module.name,
                                  .op = is_linear ? Op::kLinear : Op::kLayerNorm,
                                  .m = tokens,
                                  .k = module.weight.k,
                                  .n = is_linear ? module.weight.n : module.weight.k,
                                  .count = 1,
                                  .activation = is_linear ? facts_of(module.name).activation : Activation::kNone,
                                  .bias = module.bias.has_value(),
                                  .inputs = {},
                                  .weights = module.form},
                        .weight = module.weight,
                        .bias = module.bias,
                        .tensors = module.tensors};
}

// Groups of layers that read the same input (q, k, v; gate and up) each read the whole group before. Said only where
// the default, the one layer before in the list, would be wrong.
void connect(std::vector<LinearTensor>& layers) {
    std::size_t previous_begin = 0;
    for (std::size_t begin = 0; begin < layers.size();) {
        const NameFacts facts = facts_of(layers[begin].layer.name);
        std::size_t end = begin + 1;
        for (; end < layers.size() && facts.rank != 0; ++end) {
            const NameFacts next = facts_of(layers[end].layer.name);
            if (next.prefix != facts.prefix || next.section != facts.section || next.rank / 10 != facts.rank / 10)
                break;
        }
        for (std::size_t i = begin; i < end; ++i) {
            if (i == begin && begin - previous_begin <= 1) continue;
            for (std::size_t p = previous_begin; p < begin; ++p) {
                layers[i].layer.inputs.push_back(layers[p].layer.name);
            }
        }
        previous_begin = begin;
        begin = end;
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
        for (const TensorInfo* const tensor : checkpoint.tensors())
            found.parameters += parameters_of(*tensor);
        for (const WeightModule& module : modules->modules) {
            if (std::optional<LinearTensor> layer = layer_of(module, tokens)) {
                found.layers.push_back(std::move(*layer));
                continue;
            }
            const bool table = module.kind == ModuleKind::kTable;
            for (const TensorInfo* const tensor : module.tensors) {
                found.left_out.push_back(
                    left_out_of(*tensor, table ? LeftOutReason::kTable : LeftOutReason::kExperts,
                                table ? "an embedding table" : "experts in one tensor, which may lie either way"));
            }
        }
        const auto is_linear = [](const LinearTensor& tensor) { return tensor.layer.op == Op::kLinear; };
        if (std::none_of(found.layers.begin(), found.layers.end(), is_linear)) {
            return parse_error(display(checkpoint.path()) +
                               ": expected at least one 2-D *.weight that is a linear layer, found none among " +
                               std::to_string(checkpoint.tensors().size()) + " tensors" +
                               (found.left_out.empty() ? ""
                                                       : " (" + internal::quote(found.left_out.front().tensor) + ": " +
                                                             found.left_out.front().text + ")"));
        }
        std::sort(found.layers.begin(), found.layers.end(),
                  [](const LinearTensor& a, const LinearTensor& b) { return runs_before(a.layer.name, b.layer.name); });
        connect(found.layers);
        return found;
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory,
                      display(checkpoint.path()) + ": not enough memory for its list of layers");
    }
}

Result<LinearTensors> find_linear_tensors(const Checkpoint& checkpoint, std::int64_t tokens, const std::string& skip) {
    const Result<std::optional<std::regex>> expression = compile(skip);
    if (!expression.ok()) return expression.status();
    WeightRules rules;
    if (const std::optional<std::regex>& compiled = expression.value()) {
        rules.leave_out = [&](std::string_view name) { return std::regex_search(name.begin(), name.end(), *compiled); };
    }
    try {
        return find_linear_tensors(checkpoint, tokens, rules);
    } catch (const std::regex_error& error) {
        return Status(StatusCode::kInvalidArgument,
                      "--skip: " + internal::quote(skip) + " is too complex to match: " + error.what());
    }
}

}  // namespace octile
