#include "inputs/weight_modules.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "inputs/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/tensor_names.h"
#include "inputs/tensor_values.h"

namespace octile {
namespace {

constexpr std::string_view kWeightScale = ".weight_scale";
constexpr std::string_view kWeightZeroPoint = ".weight_zero_point";

// How a module's weight and bias may be named.
struct Ending {
    std::string_view weight, bias;
};
constexpr Ending kEndings[] = {{".weight", ".bias"}, {"_weight", "_bias"}};

struct Named {
    std::string name;
    Ending ending;
};

std::optional<Named> module_of(std::string_view tensor) {
    for (const Ending& ending : kEndings) {
        if (tensor.ends_with(ending.weight))
            return Named{std::string(tensor.substr(0, tensor.size() - ending.weight.size())), ending};
    }
    return std::nullopt;
}

bool asked(const std::function<bool(std::string_view)>& rule, std::string_view name) {
    return rule && rule(name);
}

std::int64_t elements_of(const TensorInfo& tensor) {
    std::int64_t elements = 1;
    for (const std::int64_t extent : tensor.shape)
        elements *= extent;
    return elements;
}

// Part of a tensor of one dimension, or of one row of a 2-D one.
TensorInfo part_of(const TensorInfo& tensor, std::int64_t first, std::int64_t count) {
    const std::size_t bytes = tensor.data.size() / static_cast<std::size_t>(elements_of(tensor));
    TensorInfo part = tensor;
    part.shape = {count};
    part.data = tensor.data.subspan(static_cast<std::size_t>(first) * bytes, static_cast<std::size_t>(count) * bytes);
    return part;
}

class Finder {
  public:
    Finder(const Checkpoint& checkpoint, const WeightRules& rules) : file_(checkpoint), rules_(rules) {}

    Result<WeightModules> run() {
        for (const TensorInfo* const tensor : file_.tensors()) {
            if (Status status = take(*tensor); !status.ok()) return status;
        }
        for (const TensorInfo* const tensor : file_.tensors()) {
            if (used_.contains(tensor)) continue;
            const auto known = left_out_.find(tensor);
            found_.left_out.push_back(
                known != left_out_.end()
                    ? std::move(known->second)
                    : left_out_of(*tensor, LeftOutReason::kName, "neither a *.weight nor the bias of a layer"));
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

    Status take(const TensorInfo& tensor) {
        const std::optional<Named> named = module_of(tensor.name);
        if (tensor.shape.size() == 3 && is_experts_name(tensor.name)) return take_experts(tensor, named);
        if (!named) return {};
        const std::string& name = named->name;
        if (name.empty()) return leave(tensor, LeftOutReason::kName, "has no layer name");
        if (asked(rules_.leave_out, name)) return leave(tensor, LeftOutReason::kUser, "skipped on request");
        const TensorInfo* const bias = file_.find(name + std::string(named->ending.bias));
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
        } else if (bias == nullptr && is_embedding_name(name)) {
            return take_table(name, tensor);
        }
        Status status = add(name, tensor, bias);
        if (!status.ok() && asked(rules_.may_leave_out, name))
            return leave(tensor, LeftOutReason::kUser, "skipped on request");
        return status;
    }

    Status take_table(const std::string& name, const TensorInfo& table) {
        found_.modules.push_back({.name = name, .kind = ModuleKind::kTable, .weight = {.tensor = &table}});
        found_.modules.back().tensors = {&table};
        used_.insert(&table);
        return {};
    }

    Status take_experts(const TensorInfo& stack, const std::optional<Named>& named) {
        const std::string name = named ? named->name : stack.name;
        const std::string bias_name = name + std::string(named ? named->ending.bias : kEndings[1].bias);
        if (asked(rules_.leave_out, name)) return leave(stack, LeftOutReason::kUser, "skipped on request");
        if (!has_float_values(stack) || elements_of(stack) == 0)
            return leave(stack, LeftOutReason::kExperts, "experts of " + std::string(stack.dtype));
        found_.modules.push_back({.name = name, .kind = ModuleKind::kExperts, .weight = {.tensor = &stack}});
        WeightModule& module = found_.modules.back();
        module.tensors = {&stack};
        const TensorInfo* const bias = file_.find(bias_name);
        if (bias && bias->shape.size() == 2 && bias->shape[0] == stack.shape[0] && has_float_values(*bias)) {
            module.bias = *bias;
            module.tensors.push_back(bias);
        }
        used_.insert(module.tensors.begin(), module.tensors.end());
        return {};
    }

    // A linear or a norm.
    Status add(const std::string& name, const TensorInfo& weight, const TensorInfo* bias) {
        const TensorInfo* const scale = scale_of(name, weight);
        for (const TensorInfo* const tensor : {&weight, bias}) {
            if (tensor != nullptr && !is_float(*tensor) && (scale == nullptr || tensor != &weight)) {
                return fail(*tensor, "dtype: expected F32, F16 or BF16, found " + std::string(tensor->dtype) +
                                         " (--skip leaves it out)");
            }
        }
        WeightModule module{.name = name};
        module.tensors = {&weight};
        const bool is_linear = weight.shape.size() == 2;
        if (is_linear) {
            module.weight = WeightMatrix::of(weight, asked(rules_.transposed, name));
        } else {
            module.kind = ModuleKind::kNorm;
            const std::int64_t features = weight.shape.front();
            module.weight = {.tensor = &weight, .n = 1, .k = features, .row_stride = features};
        }
        const std::int64_t n = is_linear ? module.weight.n : module.weight.k;
        if (const auto error = check_layer(
                {.name = name, .op = is_linear ? Op::kLinear : Op::kLayerNorm, .m = 1, .k = module.weight.k, .n = n})) {
            return fail(weight, "shape " + shape_text(weight) + ": " + error->field + ": " + error->text);
        }
        if (bias != nullptr) {
            if (Status status = check_bias(module, *bias, n); !status.ok()) return status;
            module.bias = *bias;
            module.tensors.push_back(bias);
        }
        if (scale != nullptr) {
            if (Status status = add_scale(module, *scale); !status.ok()) return status;
        } else if (is_linear && file_.quantization().ignores(name)) {
            module.form = WeightForm::kKeptFloat;
        }
        used_.insert(module.tensors.begin(), module.tensors.end());
        found_.modules.push_back(std::move(module));
        return {};
    }

    Status check_bias(const WeightModule& module, const TensorInfo& bias, std::int64_t n) const {
        if (bias.shape.size() == 1 && bias.shape[0] == n) return {};
        const bool transposed =
            module.kind == ModuleKind::kLinear && bias.shape.size() == 1 && bias.shape[0] == module.weight.k;
        return fail(bias, "shape: expected [" + std::to_string(n) + "] to go with the weight's " +
                              shape_text(*module.weight.tensor) + ", found " + shape_text(bias) +
                              (transposed ? " (is the weight transposed, as in GPT-2?)" : ""));
    }

    // Whether a tensor's values can be read as numbers: what a layer's weight and bias must be.
    static bool is_float(const TensorInfo& tensor) { return tensor.type && *tensor.type != DataType::kI8; }

    // The scales of int8 weights; null for weights that are none.
    const TensorInfo* scale_of(const std::string& name, const TensorInfo& weight) const {
        const bool int8 = weight.type == DataType::kI8 && weight.shape.size() == 2;
        return int8 ? file_.find(name + std::string(kWeightScale)) : nullptr;
    }

    Status add_scale(WeightModule& module, const TensorInfo& scale) {
        const TensorInfo& weight = *module.weight.tensor;
        if (!is_float(scale)) {
            return fail(scale, "dtype: expected F32, F16 or BF16, found " + std::string(scale.dtype));
        }
        std::int64_t scales = 1;
        for (const std::int64_t extent : scale.shape)
            scales = extent == 1 ? scales : extent * (scales == 1 ? 1 : -1);
        if (scales != 1 && scales != module.weight.n) {
            return fail(scale, "shape: expected one scale or [" + std::to_string(module.weight.n) +
                                   ", 1] to go with the weight's " + shape_text(weight) + ", found " +
                                   shape_text(scale));
        }
        if (file_.quantization().ignores(module.name)) {
            return fail(weight, "dtype: expected floats, as config.json has the layer on its ignore list, found I8");
        }
        const TensorInfo* const zero_point = file_.find(module.name + std::string(kWeightZeroPoint));
        if (zero_point != nullptr) {
            const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
            if (!std::all_of(zero_point->data.begin(), zero_point->data.end(), is_zero)) {
                return fail(*zero_point, "expected zeros, for weights are symmetric, found others");
            }
            module.tensors.push_back(zero_point);
        }
        module.tensors.push_back(&scale);
        module.form = WeightForm::kInt8;
        module.weight.scale = {
            .tensor = &scale, .block_rows = scales == 1 ? module.weight.n : 1, .block_columns = module.weight.k};
        return {};
    }

    const Checkpoint& file_;
    const WeightRules& rules_;
    WeightModules found_;
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

LeftOut left_out_of(const TensorInfo& tensor, LeftOutReason reason, std::string text) {
    return {.tensor = tensor.name,
            .reason = reason,
            .text = std::move(text),
            .parameters = parameters_of(tensor),
            .bytes = static_cast<std::int64_t>(tensor.data.size())};
}

}  // namespace octile
