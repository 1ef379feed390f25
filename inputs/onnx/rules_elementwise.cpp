// Operators that work on each element by itself.
#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "base/limits.h"
#include "inputs/onnx/rules.h"
#include "inputs/onnx/tensor.h"

namespace octile {
namespace {

// Row-major strides of a tensor inside the shape that it is brought to: 0 along what is repeated.
std::vector<std::size_t> strides_in(const Extents& out, const Extents& extents) {
    std::vector<std::size_t> strides(out.size(), 0);
    std::size_t stride = 1;
    for (std::size_t i = 0; i < extents.size(); ++i) {
        const std::size_t axis = extents.size() - 1 - i;
        if (extents[axis] != 1) strides[out.size() - 1 - i] = stride;
        stride *= static_cast<std::size_t>(extents[axis]);
    }
    return strides;
}

// The operator on all elements; empty where they are unknown or too many.
std::optional<Contents> evaluate(const RuleContext& context, const Extents& out) {
    const std::optional<std::int64_t> count = elements_of(out);
    if (!count || *count > static_cast<std::int64_t>(limits::kOnnxElements)) return std::nullopt;
    std::vector<std::vector<std::size_t>> strides;
    for (std::size_t i = 0; i < context.inputs(); ++i) {
        const std::optional<Extents>& extents = context.shape(i);
        if (context.contents(i) == nullptr || !extents) return std::nullopt;
        strides.push_back(strides_in(out, *extents));
    }
    Contents contents(static_cast<std::size_t>(*count));
    std::vector<Number> operands(context.inputs());
    for (std::size_t element = 0; element < contents.size(); ++element) {
        for (std::size_t i = 0; i < operands.size(); ++i) {
            std::size_t rest = element, at = 0;
            for (std::size_t axis = out.size(); axis-- > 0;) {
                const auto extent = static_cast<std::size_t>(out[axis]);
                at += rest % extent * strides[i][axis];
                rest /= extent;
            }
            operands[i] = (*context.contents(i))[at];
        }
        contents[element] = compute(context.node().op, operands);
    }
    return contents;
}

void elementwise(RuleContext& context) {
    std::optional<Extents> out = Extents();
    for (std::size_t i = 0; i < context.inputs() && out; ++i) {
        if (!context.has(i)) continue;
        const std::optional<Extents>& extents = context.shape(i);
        out = extents ? broadcast(*out, *extents) : std::nullopt;
    }
    if (!out) return;
    if (std::optional<Contents> contents = evaluate(context, *out)) {
        context.yield(0, std::move(*out), std::move(*contents));
    } else {
        context.yield(0, std::move(out));
    }
}

void same_shape(RuleContext& context) {
    context.yield(0, context.shape(0));
}

void cast(RuleContext& context) {
    const Contents* const contents = context.contents(0);
    const std::optional<Extents>& extents = context.shape(0);
    if (contents == nullptr || !extents) return same_shape(context);
    const int to = static_cast<int>(context.integer("to", onnx::TensorProto::FLOAT));
    Contents out = *contents;
    for (Number& number : out) {
        if (to == onnx::TensorProto::BOOL) {
            const std::optional<double> value = number.as_real();
            number = value ? Number::integer(*value != 0 ? 1 : 0) : Number();
        } else {
            number = is_onnx_float(to) ? number.to_real() : number.to_integer();
        }
    }
    context.yield(0, *extents, std::move(out));
}

// Of a constant, where scale and zero point are one number each: x / scale + zero, rounded, or (q - zero) * scale.
void requantize(RuleContext& context, bool inverse) {
    const Contents* const contents = context.contents(0);
    const std::optional<Extents>& extents = context.shape(0);
    const Contents* const scale = context.contents(1);
    const Contents* const zero = context.contents(2);
    if (contents == nullptr || !extents || scale == nullptr || scale->size() != 1 ||
        (context.has(2) && (zero == nullptr || zero->size() != 1))) {
        return same_shape(context);
    }
    const std::optional<double> factor = scale->front().as_real();
    const std::optional<double> offset = zero != nullptr ? zero->front().as_real() : 0.0;
    Contents out = *contents;
    for (Number& number : out) {
        const std::optional<double> value = number.as_real();
        if (!value || !factor || !offset) {
            number = {};
        } else if (inverse) {
            number = Number::real((*value - *offset) * *factor);
        } else {
            number = Number::real(std::nearbyint(*value / *factor) + *offset).to_integer();
        }
    }
    context.yield(0, *extents, std::move(out));
}

void quantize(RuleContext& context) {
    requantize(context, false);
}

void dequantize(RuleContext& context) {
    requantize(context, true);
}

void dynamic_quantize(RuleContext& context) {
    context.yield(0, context.shape(0));
    context.yield(1, Extents());
    context.yield(2, Extents());
}

constexpr std::array kElementwise = {
    "Add",       "Sub",  "Mul",        "Div",   "Mod",   "Pow",      "Max",         "Min",
    "And",       "Or",   "Xor",        "Equal", "Less",  "Greater",  "LessOrEqual", "GreaterOrEqual",
    "Where",     "Sum",  "Mean",       "Neg",   "Abs",   "Floor",    "Ceil",        "Round",
    "Not",       "Sqrt", "Reciprocal", "Sign",  "PRelu", "BitShift", "BitwiseAnd",  "BitwiseOr",
    "BitwiseXor"};

constexpr std::array kSameShape = {"Acos",
                                   "Acosh",
                                   "Asin",
                                   "Asinh",
                                   "Atan",
                                   "Atanh",
                                   "BiasAdd",
                                   "BiasGelu",
                                   "BitwiseNot",
                                   "Celu",
                                   "Clip",
                                   "Cos",
                                   "Cosh",
                                   "CumSum",
                                   "Elu",
                                   "Erf",
                                   "Exp",
                                   "FastGelu",
                                   "Gelu",
                                   "HardSigmoid",
                                   "HardSwish",
                                   "Hardmax",
                                   "Identity",
                                   "Inverse",
                                   "IsInf",
                                   "IsNaN",
                                   "LRN",
                                   "LeakyRelu",
                                   "Log",
                                   "LogSoftmax",
                                   "LpNormalization",
                                   "Mish",
                                   "QuickGelu",
                                   "Relu",
                                   "ReverseSequence",
                                   "Scatter",
                                   "ScatterElements",
                                   "ScatterND",
                                   "Selu",
                                   "Shrink",
                                   "Sigmoid",
                                   "Sin",
                                   "Sinh",
                                   "Softmax",
                                   "Softplus",
                                   "Softsign",
                                   "Swish",
                                   "Tan",
                                   "Tanh",
                                   "ThresholdedRelu",
                                   "Trilu",
                                   "TensorScatter",
                                   "Bernoulli",
                                   "EyeLike",
                                   "RandomNormalLike",
                                   "RandomUniformLike",
                                   "Optional",
                                   "OptionalGetElement",
                                   "Dropout"};

}  // namespace

std::span<const Rule> elementwise_rules() {
    static const auto kRules = [] {
        std::vector<Rule> rules;
        for (const std::string_view op : kElementwise)
            rules.push_back({op, elementwise});
        for (const std::string_view op : kSameShape)
            rules.push_back({op, same_shape});
        rules.push_back({"Cast", cast});
        rules.push_back({"CastLike", same_shape});
        rules.push_back({"QuantizeLinear", quantize});
        rules.push_back({"DequantizeLinear", dequantize});
        rules.push_back({"DynamicQuantizeLinear", dynamic_quantize});
        return rules;
    }();
    return kRules;
}

}  // namespace octile
