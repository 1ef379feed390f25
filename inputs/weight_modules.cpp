#include "inputs/weight_modules.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "inputs/gguf/types.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/packed_forms.h"
#include "inputs/tensor_names.h"
#include "inputs/tensor_values.h"

namespace octile {
namespace {

bool asked(const std::function<bool(std::string_view)>& rule, std::string_view name) {
    return rule && rule(name);
}

// Part of a tensor of one dimension, or of one row of a 2-D one.
TensorInfo part_of(const TensorInfo& tensor, std::int64_t first, std::int64_t count) {
    TensorInfo part = tensor;
    part.shape = {count};
    part.data = bytes_of(tensor, first, count);
    return part;
}

constexpr std::string_view kSkipped = "skipped on request";

class Finder {
  public:
    Finder(const Checkpoint& checkpoint, const WeightRules& rules) : file_(checkpoint), rules_(rules) {}

    Result<WeightModules> run() {
        if (Status status = find_packed(); !status.ok()) return status;
        for (const TensorInfo* const tensor : file_.tensors()) {
            if (left_out_.contains(tensor) || used_.contains(tensor)) continue;
            if (Status status = take(*tensor); !status.ok()) return status;
        }
        if (Status status = refuse_packed(); !status.ok()) return status;
        for (const TensorInfo* const tensor : file_.tensors()) {
            if (used_.contains(tensor)) continue;
            const auto known = left_out_.find(tensor);
            found_.left_out.push_back(known != left_out_.end() ? std::move(known->second) : other(*tensor));
        }
        return std::move(found_);
    }

  private:
    Status fail(const TensorInfo& tensor, const std::string& text) const {
        return parse_error(display(file_.path()) + ": tensor " + internal::quote(tensor.name) + ": " + text);
    }

    Status leave(const TensorInfo& tensor, LeftOutReason reason, std::string text) {
        left_out_.emplace(&tensor, left_out_of(tensor, reason, std::move(text)));
        return {};
    }

    static LeftOut other(const TensorInfo& tensor) {
        constexpr std::string_view kScales[] = {".input_scale", ".output_scale", ".k_scale", ".v_scale", ".kv_scale"};
        for (const std::string_view ending : kScales) {
            if (!tensor.name.ends_with(ending)) continue;
            LeftOut left = left_out_of(tensor, LeftOutReason::kOther, "a scale that nothing here needs");
            left.parameters = 0;
            return left;
        }
        if (table_name(tensor.name) != TableName::kNone) {
            LeftOut left = left_out_of(tensor, LeftOutReason::kTable, "a table by its name");
            left.assumed = true;
            return left;
        }
        return left_out_of(tensor, LeftOutReason::kName, "neither a *.weight nor the bias of a layer");
    }

    // Adds what is read of packed forms, and leaves out the others.
    Status find_packed() {
        for (PackedModule& packed : find_packed_modules(file_)) {
            bool skipped = asked(rules_.leave_out, packed.name);
            const bool may_skip = asked(rules_.may_leave_out, packed.name);
            // Rows of a table are looked up by what reads floats.
            const bool table = table_name(packed.name) != TableName::kNone && !file_.find(packed.name + ".bias");
            if (packed.read && !skipped && !table) {
                Status status = add_packed(packed);
                if (status.ok()) continue;
                if (!may_skip) return status;
            }
            skipped = skipped || may_skip;
            const auto reason = skipped ? LeftOutReason::kUser : packed.reason;
            std::string text = skipped ? std::string(kSkipped)
                                       : (packed.read ? "a table in " : "") + packed.form + ", which is not read";
            for (const TensorInfo* const tensor : packed.tensors) {
                LeftOut left = left_out_of(*tensor, reason, text);
                left.parameters = tensor == packed.tensors.front() ? packed.parameters : 0;
                left_out_.emplace(tensor, std::move(left));
            }
            if (!skipped) packed_.push_back(std::move(packed));
        }
        return {};
    }

    // A linear of packed levels, whose tensors are no other module's.
    Status add_packed(const PackedModule& packed) {
        const ModuleTensors tensors(file_, packed.name);
        Result<PackedWeights> weights = packed.read(*packed.tensors.front(), tensors);
        if (!weights.ok()) return weights.status();
        WeightModule module{.name = packed.name};
        module.weight = {.tensor = packed.tensors.front(), .n = weights->n, .k = weights->k};
        module.weight.packed = std::move(weights->levels);
        module.tensors = std::move(weights->tensors);
        Result<WeightParts> parts = find_packed_parts(file_, packed.name, module.weight);
        if (!parts.ok()) return parts.status();
        module.form = parts->form;
        module.input = parts->input;
        module.tensors.insert(module.tensors.end(), parts->tensors.begin(), parts->tensors.end());
        return add_checked(std::move(module), tensors[".bias"]);
    }

    // A network that comes in such a form is an error; one of which a part does is planned without it.
    Status refuse_packed() const {
        const auto linears = static_cast<std::size_t>(
            std::count_if(found_.modules.begin(), found_.modules.end(),
                          [](const WeightModule& module) { return module.kind == ModuleKind::kLinear; }));
        if (packed_.size() < kMostPacked * linears || packed_.empty()) return {};
        const PackedModule& first = packed_.front();
        return parse_error(display(file_.path()) + ": expected weights in floats or int8, found " +
                           std::to_string(packed_.size()) + " of " + std::to_string(packed_.size() + linears) +
                           " linears in the form " + first.form + " (" + internal::quote(first.tensors.front()->name) +
                           "), which is read by " + std::string(first.reader) +
                           "; name the checkpoint that it was made from");
    }

    Status take(const TensorInfo& tensor) {
        const WeightSpelling* const spelling = spelling_of(tensor.name);
        if (is_adapter_name(tensor.name))
            return leave(tensor, LeftOutReason::kAdapter,
                         "of an adapter (LoRA or its like), to be merged into its base");
        if (tensor.shape.size() == 3 && is_experts_name(tensor.name)) return take_experts(tensor, spelling);
        if (!spelling) return {};
        const std::string name = tensor.name.substr(0, tensor.name.size() - spelling->weight.size());
        if (name.empty()) return leave(tensor, LeftOutReason::kName, "has no layer name");
        if (asked(rules_.leave_out, name)) return leave(tensor, LeftOutReason::kUser, std::string(kSkipped));
        const TensorInfo* const bias = file_.find(name + std::string(spelling->bias));
        const std::size_t rank = tensor.shape.size();
        if (rank == 1) {
            if (is_head_norm_name(name)) return leave(tensor, LeftOutReason::kOther, "a norm of single heads");
            if (!is_norm_name(name)) return leave(tensor, LeftOutReason::kShape, "1-D and not a norm");
            if (file_.find(name + ".running_mean") != nullptr)
                return leave(tensor, LeftOutReason::kOther, "a batch norm");
        } else if (rank != 2) {
            return leave(tensor, LeftOutReason::kShape, std::to_string(rank) + "-D: neither a linear nor a norm");
        } else if (elements_of(tensor) == 0) {
            return leave(tensor, LeftOutReason::kShape, "empty: " + shape_text(tensor));
        } else if (bias == nullptr && table_name(name) != TableName::kNone) {
            return take_table(name, tensor);
        }
        Status status = add(name, tensor, bias);
        if (!status.ok() && asked(rules_.may_leave_out, name)) {
            (void)leave(tensor, LeftOutReason::kUser, std::string(kSkipped));
            return bias ? leave(*bias, LeftOutReason::kUser, std::string(kSkipped)) : Status();
        }
        return status;
    }

    Status take_table(const std::string& name, const TensorInfo& table) {
        found_.modules.push_back({.name = name, .kind = ModuleKind::kTable, .weight = {.tensor = &table}});
        found_.modules.back().tensors = {&table};
        used_.insert(&table);
        return {};
    }

    Status take_experts(const TensorInfo& stack, const WeightSpelling* spelling) {
        const std::string name =
            spelling ? stack.name.substr(0, stack.name.size() - spelling->weight.size()) : stack.name;
        const std::string bias_name = name + std::string(spelling ? spelling->bias : "_bias");
        if (asked(rules_.leave_out, name)) return leave(stack, LeftOutReason::kUser, std::string(kSkipped));
        // Floats of eight bits have scales, which are not looked for here.
        if (!has_unscaled_floats(stack) || elements_of(stack) == 0)
            return leave(stack, LeftOutReason::kExperts, "experts of " + std::string(stack.dtype));
        found_.modules.push_back({.name = name, .kind = ModuleKind::kExperts, .weight = {.tensor = &stack}});
        WeightModule& module = found_.modules.back();
        module.tensors = {&stack};
        const TensorInfo* const bias = file_.find(bias_name);
        if (bias && bias->shape.size() == 2 && bias->shape[0] == stack.shape[0] && has_float_values(*bias) &&
            !block_type(bias->dtype)) {
            module.bias = *bias;
            module.tensors.push_back(bias);
        }
        used_.insert(module.tensors.begin(), module.tensors.end());
        return {};
    }

    // A linear or a norm.
    Status add(const std::string& name, const TensorInfo& weight, const TensorInfo* bias) {
        WeightModule module{.name = name};
        module.tensors = {&weight};
        const bool is_linear = weight.shape.size() == 2;
        if (is_linear) {
            module.weight = WeightMatrix::of(weight, asked(rules_.transposed, name));
            Result<WeightParts> parts = find_weight_parts(file_, name, module.weight);
            if (!parts.ok()) return parts.status();
            module.weight.scale = parts->scale;
            module.form = parts->form;
            module.input = parts->input;
            module.tensors.insert(module.tensors.end(), parts->tensors.begin(), parts->tensors.end());
        } else {
            module.kind = ModuleKind::kNorm;
            const std::int64_t features = weight.shape.front();
            module.weight = {.tensor = &weight, .n = 1, .k = features, .row_stride = features};
        }
        if (!is_linear && !has_float_values(weight)) return not_floats(weight);
        return add_checked(std::move(module), bias);
    }

    Status not_floats(const TensorInfo& tensor) const {
        return fail(tensor,
                    "dtype: expected F32, F16 or BF16, found " + std::string(tensor.dtype) + " (--skip leaves it out)");
    }

    // What a linear or norm needs, whichever form its weights have.
    Status add_checked(WeightModule module, const TensorInfo* bias) {
        const TensorInfo& weight = *module.weight.tensor;
        if (bias != nullptr && !has_float_values(*bias)) return not_floats(*bias);
        const bool is_linear = module.kind == ModuleKind::kLinear;
        const std::int64_t n = is_linear ? module.weight.n : module.weight.k;
        if (const auto error = check_layer({.name = module.name,
                                            .op = is_linear ? Op::kLinear : Op::kLayerNorm,
                                            .m = 1,
                                            .k = module.weight.k,
                                            .n = n})) {
            return fail(weight, "shape " + shape_text(weight) + ": " + error->field + ": " + error->text);
        }
        if (bias != nullptr) {
            if (Status status = check_bias(module, *bias, n); !status.ok()) return status;
            module.bias = *bias;
            module.tensors.push_back(bias);
        }
        used_.insert(module.tensors.begin(), module.tensors.end());
        found_.modules.push_back(std::move(module));
        return {};
    }

    Status check_bias(const WeightModule& module, const TensorInfo& bias, std::int64_t n) const {
        if (block_type(bias.dtype))
            return fail(bias, "dtype: expected floats for a bias, found blocks of " + std::string(bias.dtype) +
                                  " (--skip leaves it out)");
        if (bias.shape.size() == 1 && bias.shape[0] == n) return {};
        const bool transposed =
            module.kind == ModuleKind::kLinear && bias.shape.size() == 1 && bias.shape[0] == module.weight.k;
        return fail(bias, "shape: expected [" + std::to_string(n) + "] to go with the weight's " +
                              shape_text(*module.weight.tensor) + ", found " + shape_text(bias) +
                              (transposed ? " (is the weight transposed, as in GPT-2? --transposed says so)" : ""));
    }

    // From this many times as many packed linears as others on, the network is packed: there is a head in floats beside
    // every one.
    static constexpr std::size_t kMostPacked = 3;

    const Checkpoint& file_;
    const WeightRules& rules_;
    WeightModules found_;
    std::vector<PackedModule> packed_;  // that nobody skips
    std::unordered_map<const TensorInfo*, LeftOut> left_out_;
    std::unordered_set<const TensorInfo*> used_;  // by a module
};

}  // namespace

Result<WeightModules> find_weight_modules(const Checkpoint& checkpoint, const WeightRules& rules) {
    return Finder(checkpoint, rules).run();
}

WeightModule rows_of(const WeightModule& linear, std::string name, std::int64_t first, std::int64_t count) {
    OCTILE_CHECK_EQ(linear.kind == ModuleKind::kLinear, true);
    OCTILE_CHECK_LE(first + count, linear.weight.n);
    WeightModule part = linear;
    part.name = std::move(name);
    part.weight = linear.weight.rows(first, count);
    if (linear.bias) part.bias = part_of(*linear.bias, first, count);
    return part;
}

WeightModule expert_of(const WeightModule& experts, std::string name, std::int64_t index, bool transposed) {
    OCTILE_CHECK_EQ(experts.kind == ModuleKind::kExperts, true);
    OCTILE_CHECK_LT(index, experts.weight.tensor->shape[0]);
    WeightModule expert{.name = std::move(name)};
    expert.weight = WeightMatrix::of(*experts.weight.tensor, index, transposed);
    expert.tensors = experts.tensors;
    const std::int64_t n = expert.weight.n;
    if (experts.bias && experts.bias->shape[1] == n) expert.bias = part_of(*experts.bias, index * n, n);
    return expert;
}

std::int64_t parameters_of(const TensorInfo& tensor) {
    const bool integers = tensor.dtype == "BOOL" || tensor.dtype.starts_with("I64") ||
                          tensor.dtype.starts_with("I32") || tensor.dtype.starts_with("I16") ||
                          tensor.dtype.starts_with("U64") || tensor.dtype.starts_with("U32") ||
                          tensor.dtype.starts_with("U16");
    return integers ? 0 : elements_of(tensor);
}

std::int64_t parameters_of(const WeightModule& module) {
    if (module.weight.packed) return module.weight.n * module.weight.k + (module.bias ? module.weight.n : 0);
    std::int64_t parameters = 0;
    for (const TensorInfo* const tensor : module.tensors)
        parameters += parameters_of(*tensor);
    return parameters;
}

LeftOut left_out_of(const TensorInfo& tensor, LeftOutReason reason, std::string text) {
    return {.tensor = tensor.name,
            .reason = reason,
            .text = std::move(text),
            .parameters = parameters_of(tensor),
            .bytes = static_cast<std::int64_t>(tensor.data.size())};
}

}  // namespace octile
