#include "inputs/layer_lists/layer_rules.h"

#include <array>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/printable.h"

namespace octile {
namespace {

constexpr std::array kOps = {Op::kLinear, Op::kLayerNorm, Op::kActivation, Op::kAdd, Op::kOther};
constexpr std::array kActivations = {Activation::kNone,      Activation::kRelu, Activation::kRelu6,
                                     Activation::kHardswish, Activation::kGelu, Activation::kGeluTanh,
                                     Activation::kQuickGelu, Activation::kSilu};

template <typename T, std::size_t N>
std::string wrong_word(const std::array<T, N>& words, std::string_view found) {
    std::string text = "expected ";
    for (std::size_t i = 0; i < N; ++i) {
        if (i > 0) text += i + 1 == N ? " or " : ", ";
        text += name_of(words[i]);
    }
    return text + ", found " + std::string(found);
}

}  // namespace

std::int64_t max_of(std::string_view field) {
    return field == "k" ? kMaxReduction : kMaxExtent;
}

std::string wrong_extent(std::string_view field, std::string_view found) {
    return "expected an integer from 1 to " + std::to_string(max_of(field)) + ", found " + std::string(found);
}

std::string wrong_op(std::string_view found) {
    return wrong_word(kOps, found);
}

std::string wrong_activation(std::string_view found) {
    return wrong_word(kActivations, found);
}

std::string wrong_number(std::string_view found) {
    return "expected a number > 0, found " + std::string(found);
}

bool is_positive(double value) {
    return std::isfinite(value) && value > 0;
}

std::string check_name(std::string_view name) {
    if (name.empty()) return "expected a name, found nothing";
    if (name.size() > kMaxNameBytes) {
        return "expected a name of at most " + std::to_string(kMaxNameBytes) + " bytes, found " + internal::quote(name);
    }
    if (!internal::is_printable(name)) {
        return "expected UTF-8 without control characters, found " + internal::quote(name);
    }
    return {};
}

std::optional<FieldError> check_layer(const Layer& layer) {
    if (std::string text = check_name(layer.name); !text.empty()) return FieldError{"name", std::move(text)};

    const std::array<std::pair<const char*, std::int64_t>, 4> extents = {
        {{"m", layer.m}, {"k", layer.k}, {"n", layer.n}, {"count", layer.count}}};
    for (const auto& [field, value] : extents) {
        if (value < 1 || value > max_of(field)) return FieldError{field, wrong_extent(field, std::to_string(value))};
    }

    if (layer.op == Op::kAdd && layer.inputs.size() != 2) {
        return FieldError{"inputs",
                          "expected the two layers that op add sums, found " + std::to_string(layer.inputs.size())};
    }
    const std::string op(name_of(layer.op));
    for (const auto& [field, value, allowed] : {std::tuple("eps", layer.epsilon, layer.op == Op::kLayerNorm),
                                                {"output_scale", layer.output_scale, layer.op != Op::kLayerNorm}}) {
        if (!value) continue;
        if (!allowed) return FieldError{field, "expected none for op " + op + ", found one"};
        if (!is_positive(*value)) return FieldError{field, wrong_number(std::to_string(*value))};
    }
    if (layer.op == Op::kLinear) return std::nullopt;
    if (layer.k != layer.n) {
        return FieldError{"n", "expected n equal to k (" + std::to_string(layer.k) + ") for op " + op + ", found " +
                                   std::to_string(layer.n)};
    }
    const std::string act(name_of(layer.activation));
    if (layer.op != Op::kActivation && layer.activation != Activation::kNone) {
        return FieldError{"act", "expected none for op " + op + ", found " + act};
    }
    if (layer.op == Op::kActivation && layer.activation == Activation::kNone) {
        return FieldError{"act", "expected the function that op " + op + " applies, found " + act};
    }
    if (layer.op != Op::kLayerNorm && layer.bias) {
        return FieldError{"bias", "expected none for op " + op + ", found a bias"};
    }
    return std::nullopt;
}

std::optional<FieldError> LayerNames::add(const Layer& layer) {
    for (const std::string& input : layer.inputs) {
        if (!seen_.contains(input)) {
            return FieldError{"inputs", "expected the name of an earlier layer, found " + internal::quote(input)};
        }
    }
    if (!seen_.insert(layer.name).second) {
        return FieldError{"name", "expected a name used once, found " + internal::quote(layer.name) + " again"};
    }
    return std::nullopt;
}

}  // namespace octile
