#include "inputs/onnx/quantized_forms.h"

#include <algorithm>
#include <array>

#include "inputs/onnx/tensor.h"

namespace octile {
namespace {

constexpr std::array<QuantizedForm, 10> kForms = {{{"QLinearAdd", "Add", {0, 3, -1}},
                                                   {"QLinearMul", "Mul", {0, 3, -1}},
                                                   {"QLinearSigmoid", "Sigmoid"},
                                                   {"QLinearLeakyRelu", "LeakyRelu"},
                                                   {"QLinearSoftmax", "Softmax"},
                                                   {"QLinearAveragePool", "AveragePool"},
                                                   {"QLinearGlobalAveragePool", "GlobalAveragePool"},
                                                   {"QLinearReduceMean", "ReduceMean"},
                                                   {"QLinearWhere", "Where", {0, 1, 4}},
                                                   {"QLinearConcat", "Concat", {2, -1, -1}, 3}}};

}  // namespace

bool is_same_value(const OnnxNode& node, const OnnxValue& input) {
    const std::string_view op = node.proto->op_type();
    if (op == "Identity" || op == "Dropout" || op == "DynamicQuantizeLinear") return true;
    if (op == "QuantizeLinear" || op == "DequantizeLinear") return !(input.constant && input.contents);
    if (op == "CastLike") return !input.contents;
    return op == "Cast" && !input.contents && is_onnx_float(static_cast<int>(integer_attribute(node, "to", 0)));
}

const QuantizedForm* find_quantized_form(const OnnxNode& node) {
    if (!node.contrib()) return nullptr;
    const auto* const found =
        std::find_if(kForms.begin(), kForms.end(), [&](const QuantizedForm& form) { return form.op == node.op; });
    return found == kForms.end() ? nullptr : found;
}

std::vector<QuantizedOperand> operands_of(const QuantizedForm& form, std::size_t inputs) {
    std::vector<QuantizedOperand> operands;
    for (const int at : form.operands) {
        if (at < 0 || static_cast<std::size_t>(at) >= inputs) continue;
        const bool condition = form.op == "QLinearWhere" && at == 0;
        operands.push_back({static_cast<std::size_t>(at), !condition});
    }
    if (form.every == 0 || operands.empty()) return operands;
    const auto step = static_cast<std::size_t>(form.every);
    for (std::size_t at = operands.back().input + step; at < inputs; at += step)
        operands.push_back({at, true});
    return operands;
}

std::optional<Contents> dequantized(const OnnxGraph& graph, int levels, int scale, int zero_point) {
    const OnnxValue* const value = graph.value(levels);
    if (value == nullptr || !value->constant || !value->contents) return std::nullopt;
    const std::optional<double> factor = graph.scalar(scale);
    const std::optional<double> zero = zero_point < 0 ? std::optional(0.0) : graph.scalar(zero_point);
    if (!factor || !zero) return std::nullopt;
    Contents out;
    for (const Number& level : *value->contents) {
        const std::optional<double> number = level.as_real();
        out.push_back(number ? Number::real((*number - *zero) * *factor) : Number());
    }
    return out;
}

}  // namespace octile
