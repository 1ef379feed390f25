// Operators that make tensors of shapes, or of nothing.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/limits.h"
#include "inputs/onnx/rules.h"
#include "inputs/onnx/tensor.h"

namespace octile {
namespace {

constexpr auto kMaxElements = static_cast<std::int64_t>(limits::kOnnxElements);

Number number_of(std::int64_t extent) {
    return extent == kUnknownExtent ? Number() : Number::integer(extent);
}

void shape(RuleContext& context) {
    const std::optional<Extents>& extents = context.shape(0);
    if (!extents) return context.yield(0, Extents{kUnknownExtent});
    const auto rank = static_cast<std::int64_t>(extents->size());
    const auto bound = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank); };
    const std::int64_t start = bound(context.integer("start", 0)), end = bound(context.integer("end", rank));
    Contents contents;
    for (std::int64_t i = start; i < end; ++i)
        contents.push_back(number_of((*extents)[static_cast<std::size_t>(i)]));
    const auto count = static_cast<std::int64_t>(contents.size());
    context.yield(0, {count}, std::move(contents));
}

void size(RuleContext& context) {
    const std::optional<Extents>& extents = context.shape(0);
    const std::optional<std::int64_t> elements = extents ? elements_of(*extents) : std::nullopt;
    context.yield(0, {}, {elements ? Number::integer(*elements) : Number()});
}

void constant(RuleContext& context) {
    const OnnxNode& node = context.node();
    const auto vector = [&](Contents contents) {
        const auto count = static_cast<std::int64_t>(contents.size());
        context.yield(0, {count}, std::move(contents));
    };
    if (const auto* const value = find_attribute(node, "value")) {
        const std::optional<Extents> extents = extents_of(value->t());
        std::optional<Contents> contents = contents_of(value->t());
        if (extents && contents) return context.yield(0, *extents, std::move(*contents));
        return context.yield(0, extents);
    }
    if (const auto* const value = find_attribute(node, "value_float"))
        return context.yield(0, {}, {Number::real(static_cast<double>(value->f()))});
    if (const auto* const value = find_attribute(node, "value_int"))
        return context.yield(0, {}, {Number::integer(value->i())});
    if (const auto* const value = find_attribute(node, "value_ints")) {
        if (static_cast<std::size_t>(value->ints_size()) > limits::kOnnxElements)
            return context.yield(0, Extents{value->ints_size()});
        Contents contents;
        for (const std::int64_t number : value->ints())
            contents.push_back(Number::integer(number));
        return vector(std::move(contents));
    }
    if (const auto* const value = find_attribute(node, "value_floats")) {
        if (static_cast<std::size_t>(value->floats_size()) > limits::kOnnxElements)
            return context.yield(0, Extents{value->floats_size()});
        Contents contents;
        for (const float number : value->floats())
            contents.push_back(Number::real(static_cast<double>(number)));
        return vector(std::move(contents));
    }
    if (const auto* const value = find_attribute(node, "sparse_value")) {
        const auto& sparse = value->sparse_tensor();
        if (static_cast<std::size_t>(sparse.dims_size()) <= limits::kRank)
            context.yield(0, Extents(sparse.dims().begin(), sparse.dims().end()));
    }
}

void range(RuleContext& context) {
    const auto number = [&](std::size_t i) {
        const Contents* const contents = context.contents(i);
        return contents != nullptr && contents->size() == 1 ? contents->front() : Number();
    };
    const Number start = number(0), limit = number(1), delta = number(2);
    const std::optional<double> from = start.as_real(), to = limit.as_real(), by = delta.as_real();
    if (!from || !to || !by || *by == 0 || !std::isfinite(*from) || !std::isfinite(*to) || !std::isfinite(*by))
        return context.yield(0, Extents{kUnknownExtent});
    const double steps = std::max(0.0, std::ceil((*to - *from) / *by));
    if (!(steps < 9e15)) return context.yield(0, Extents{kUnknownExtent});
    const auto count = static_cast<std::int64_t>(steps);
    if (count > kMaxElements) return context.yield(0, Extents{count});
    Contents contents;
    Number next = start;
    for (std::int64_t i = 0; i < count; ++i) {
        contents.push_back(next);
        next = compute("Add", {next, delta});
    }
    context.yield(0, {count}, std::move(contents));
}

void constant_of_shape(RuleContext& context) {
    std::optional<Extents> extents = context.listed_extents(0);
    const std::optional<std::int64_t> elements = extents ? elements_of(*extents) : std::nullopt;
    if (!elements || *elements > kMaxElements) return context.yield(0, std::move(extents));
    Number value = Number::real(0);
    if (const auto* const attribute = find_attribute(context.node(), "value")) {
        const std::optional<Contents> contents = contents_of(attribute->t());
        value = contents && contents->size() == 1 ? contents->front() : Number();
    }
    Contents contents(static_cast<std::size_t>(*elements), value);
    context.yield(0, std::move(*extents), std::move(contents));
}

void random(RuleContext& context) {
    if (auto extents = integers_attribute(context.node(), "shape")) {
        for (std::int64_t& extent : *extents)
            extent = std::max(extent, kUnknownExtent);
        context.yield(0, std::move(*extents));
    }
}

// [rank, how many are not zero]
void non_zero(RuleContext& context) {
    const std::optional<Extents>& extents = context.shape(0);
    const std::int64_t rank = extents ? static_cast<std::int64_t>(extents->size()) : kUnknownExtent;
    context.yield(0, Extents{rank, kUnknownExtent});
}

void one_hot(RuleContext& context) {
    const std::optional<Extents>& indices = context.shape(0);
    if (!indices) return;
    const Contents* const depth = context.contents(1);
    const auto axis = axis_of(context.integer("axis", -1), indices->size() + 1);
    if (!axis) return;
    Extents out = *indices;
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(*axis),
               depth != nullptr && depth->size() == 1 ? extent_of(depth->front().to_integer()) : kUnknownExtent);
    context.yield(0, std::move(out));
}

constexpr std::array<Rule, 9> kRules = {{{"Shape", shape},
                                         {"Size", size},
                                         {"Constant", constant},
                                         {"Range", range},
                                         {"ConstantOfShape", constant_of_shape},
                                         {"RandomNormal", random},
                                         {"RandomUniform", random},
                                         {"NonZero", non_zero},
                                         {"OneHot", one_hot}}};

}  // namespace

std::span<const Rule> shape_rules() {
    return kRules;
}

}  // namespace octile
