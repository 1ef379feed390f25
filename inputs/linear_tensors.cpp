#include "inputs/linear_tensors.h"

#include <algorithm>
#include <new>
#include <optional>
#include <regex>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "inputs/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/tensor_names.h"

namespace octile {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kBias = ".bias";
constexpr std::string_view kWeightScale = ".weight_scale";
constexpr std::string_view kWeightZeroPoint = ".weight_zero_point";

// Whether a tensor's values can be read as numbers: what a layer's weight and bias must be.
bool is_float(const TensorInfo& tensor) {
    return tensor.type && *tensor.type != DataType::kI8;
}

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

class Finder {
  public:
    Finder(const Checkpoint& checkpoint, std::int64_t tokens, std::optional<std::regex> skip)
        : file_(checkpoint), tokens_(tokens), skip_(std::move(skip)) {}

    Result<LinearTensors> run() {
        for (const TensorInfo* const tensor : file_.tensors()) {
            if (!tensor->name.ends_with(kWeight)) continue;
            Result<std::string> why = take(*tensor);
            if (!why.ok()) return why.status();
            why_[tensor] = std::move(why).value();
        }
        report_left_out();
        const auto is_linear = [](const LinearTensor& found) { return found.layer.op == Op::kLinear; };
        if (std::none_of(found_.layers.begin(), found_.layers.end(), is_linear)) {
            return parse_error(display(file_.path()) +
                               ": expected at least one 2-D *.weight that is a linear layer, found none among " +
                               std::to_string(file_.tensors().size()) + " tensors");
        }
        std::sort(found_.layers.begin(), found_.layers.end(),
                  [](const LinearTensor& a, const LinearTensor& b) { return runs_before(a.layer.name, b.layer.name); });
        connect();
        return std::move(found_);
    }

  private:
    Status fail(const TensorInfo& tensor, const std::string& text) const {
        return parse_error(display(file_.path()) + ": tensor " + internal::quote(tensor.name) + ": " + text);
    }

    // Why a *.weight is no layer; empty when it is one and has been added. An error when it is one but cannot be used.
    Result<std::string> take(const TensorInfo& weight) {
        const std::string name = weight.name.substr(0, weight.name.size() - kWeight.size());
        const TensorInfo* const bias = file_.find(name + std::string(kBias));
        const std::size_t rank = weight.shape.size();
        if (name.empty()) return std::string("has no layer name");
        if (skip_ && std::regex_search(name, *skip_)) return std::string("skipped on request");
        if (rank == 1) {
            if (is_head_norm_name(name)) return std::string("a norm of single heads");
            if (!is_norm_name(name)) return std::string("1-D and not a norm");
            if (file_.find(name + ".running_mean") != nullptr) return std::string("a batch norm");
        } else if (rank != 2) {
            return std::to_string(rank) + "-D: neither a linear nor a norm";
        } else if (bias == nullptr && is_embedding_name(name)) {
            return std::string("an embedding table");
        }
        return add(name, weight, bias);
    }

    Result<std::string> add(const std::string& name, const TensorInfo& weight, const TensorInfo* bias) {
        const TensorInfo* const scale = scale_of(name, weight);
        for (const TensorInfo* const tensor : {&weight, bias}) {
            if (tensor != nullptr && !is_float(*tensor) && (scale == nullptr || tensor != &weight)) {
                return fail(*tensor, "dtype: expected F32, F16 or BF16, found " + std::string(tensor->dtype) +
                                         " (--skip leaves it out)");
            }
        }
        const bool is_linear = weight.shape.size() == 2;
        LinearTensor found;
        found.layer = {.name = name,
                       .op = is_linear ? Op::kLinear : Op::kLayerNorm,
                       .m = tokens_,
                       .k = weight.shape.back(),
                       .n = weight.shape.front(),
                       .count = 1,
                       .activation = is_linear ? facts_of(name).activation : Activation::kNone,
                       .bias = bias != nullptr,
                       .inputs = {},
                       .weights = WeightForm::kFloat};
        if (const auto error = check_layer(found.layer)) {
            return fail(weight, "shape " + shape_text(weight) + ": " + error->field + ": " + error->text);
        }
        if (bias != nullptr && (bias->shape.size() != 1 || bias->shape[0] != found.layer.n)) {
            const bool transposed = is_linear && bias->shape.size() == 1 && bias->shape[0] == found.layer.k;
            return fail(*bias, "shape: expected [" + std::to_string(found.layer.n) + "] to go with the weight's " +
                                   shape_text(weight) + ", found " + shape_text(*bias) +
                                   (transposed ? " (is the weight transposed, as in GPT-2?)" : ""));
        }
        found.weight = &weight;
        found.bias = bias;
        found.scale = scale;
        if (scale != nullptr) {
            if (Status status = check_quantized(name, weight, *scale); !status.ok()) return status;
            found.layer.weights = WeightForm::kInt8;
        } else if (is_linear && file_.quantization().ignores(name)) {
            found.layer.weights = WeightForm::kKeptFloat;
        }
        if (bias != nullptr) used_.insert(bias);
        found_.layers.push_back(std::move(found));
        return std::string();
    }

    // The scales of int8 weights; null for weights that are none.
    const TensorInfo* scale_of(const std::string& name, const TensorInfo& weight) const {
        const bool int8 = weight.type == DataType::kI8 && weight.shape.size() == 2;
        return int8 ? file_.find(name + std::string(kWeightScale)) : nullptr;
    }

    Status check_quantized(const std::string& name, const TensorInfo& weight, const TensorInfo& scale) {
        if (!is_float(scale)) {
            return fail(scale, "dtype: expected F32, F16 or BF16, found " + std::string(scale.dtype));
        }
        std::int64_t scales = 1;
        for (const std::int64_t extent : scale.shape)
            scales = extent == 1 ? scales : extent * (scales == 1 ? 1 : -1);
        if (scales != 1 && scales != weight.shape.front()) {
            return fail(scale, "shape: expected one scale or [" + std::to_string(weight.shape.front()) +
                                   ", 1] to go with the weight's " + shape_text(weight) + ", found " +
                                   shape_text(scale));
        }
        if (file_.quantization().ignores(name)) {
            return fail(weight, "dtype: expected floats, as config.json has the layer on its ignore list, found I8");
        }
        const TensorInfo* const zero_point = file_.find(name + std::string(kWeightZeroPoint));
        if (zero_point != nullptr) {
            const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
            if (!std::all_of(zero_point->data.begin(), zero_point->data.end(), is_zero)) {
                return fail(*zero_point, "expected zeros, for weights are symmetric, found others");
            }
            used_.insert(zero_point);
        }
        used_.insert(&scale);
        return {};
    }

    void report_left_out() {
        for (const TensorInfo* const tensor : file_.tensors()) {
            if (used_.contains(tensor)) continue;
            const auto why = why_.find(tensor);
            if (why == why_.end()) {
                found_.left_out.push_back({tensor->name, "neither a *.weight nor the bias of a layer"});
            } else if (!why->second.empty()) {
                found_.left_out.push_back({tensor->name, why->second});
            }
        }
    }

    // Groups of layers that read the same input (q, k, v; gate and up) each read the whole group before. Said only
    // where the default, the one layer before in the list, would be wrong.
    void connect() {
        std::vector<LinearTensor>& layers = found_.layers;
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

    const Checkpoint& file_;
    std::int64_t tokens_;
    std::optional<std::regex> skip_;
    LinearTensors found_;
    std::unordered_map<const TensorInfo*, std::string> why_;  // of every *.weight; empty: taken
    std::unordered_set<const TensorInfo*> used_;              // biases, and what goes with int8 weights
};

}  // namespace

Result<LinearTensors> find_linear_tensors(const Checkpoint& checkpoint, std::int64_t tokens, const std::string& skip) {
    if (tokens < 1 || tokens > max_of("m")) {
        return Status(StatusCode::kInvalidArgument, "--tokens: " + wrong_extent("m", std::to_string(tokens)));
    }
    Result<std::optional<std::regex>> expression = compile(skip);
    if (!expression.ok()) return expression.status();
    try {
        return Finder(checkpoint, tokens, std::move(expression).value()).run();
    } catch (const std::regex_error& error) {
        return Status(StatusCode::kInvalidArgument,
                      "--skip: " + internal::quote(skip) + " is too complex to match: " + error.what());
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory,
                      display(checkpoint.path()) + ": not enough memory for its list of layers");
    }
}

}  // namespace octile
