#include "inputs/onnx/rules.h"
#include "base/limits.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace octile {

const Contents* RuleContext::contents(std::size_t i) const {
    const OnnxValue* const value = graph_.value(node_.input(i));
    return value != nullptr && value->contents ? &*value->contents : nullptr;
}

std::optional<std::vector<std::int64_t>> RuleContext::integers(std::size_t i) const {
    const Contents* const found = contents(i);
    if (found == nullptr) return std::nullopt;
    std::vector<std::int64_t> values;
    for (const Number& number : *found) {
        const std::optional<std::int64_t> value = number.as_integer();
        if (!value) return std::nullopt;
        values.push_back(*value);
    }
    return values;
}

std::optional<std::vector<std::int64_t>> RuleContext::integers(std::size_t i, std::string_view attribute) const {
    return has(i) ? integers(i) : integers_attribute(node_, attribute);
}

std::optional<Extents> RuleContext::listed_extents(std::size_t i) const {
    const Contents* const found = contents(i);
    if (found == nullptr) {
        const std::optional<Extents>& extents = shape(i);
        if (!extents || extents->size() != 1 || extents->front() < 0 ||
            extents->front() > static_cast<std::int64_t>(limits::kRank)) {
            return std::nullopt;
        }
        return Extents(static_cast<std::size_t>(extents->front()), kUnknownExtent);
    }
    if (found->size() > limits::kRank) return std::nullopt;
    Extents listed;
    for (const Number& number : *found)
        listed.push_back(extent_of(number));
    return listed;
}

void RuleContext::yield(std::size_t output, std::optional<Extents> extents) {
    const int id = node_.output(output);
    if (id < 0 || (extents && extents->size() > limits::kRank)) return;
    graph_.values[static_cast<std::size_t>(id)].shape = std::move(extents);
}

void RuleContext::yield(std::size_t output, Extents extents, Contents contents) {
    const int id = node_.output(output);
    if (id < 0) return;
    const std::size_t elements = contents.size() + 1;
    if (contents.size() <= limits::kOnnxElements && elements <= budget_) {
        budget_ -= elements;
        graph_.values[static_cast<std::size_t>(id)].contents = std::move(contents);
    }
    yield(output, std::optional<Extents>(std::move(extents)));
}

const Rule* find_rule(const OnnxNode& node) {
    static const auto kRules = [] {
        std::unordered_map<std::string_view, const Rule*> rules;
        for (const std::span<const Rule> some : {elementwise_rules(), shape_rules(), layout_rules(), selection_rules(),
                                                 reduction_rules(), product_rules(), window_rules(), network_rules()}) {
            for (const Rule& rule : some)
                rules.emplace(rule.op, &rule);
        }
        return rules;
    }();
    const auto found = kRules.find(node.op);
    return found == kRules.end() ? nullptr : found->second;
}

std::int64_t extent_of(const Number& number) {
    const std::optional<std::int64_t> value = number.as_integer();
    return value && *value >= 0 ? *value : kUnknownExtent;
}

std::optional<std::size_t> axis_of(std::int64_t axis, std::size_t rank) {
    const auto extents = static_cast<std::int64_t>(rank);
    if (axis < -extents || axis >= extents) return std::nullopt;
    return static_cast<std::size_t>(axis < 0 ? axis + extents : axis);
}

std::optional<Extents> broadcast(const Extents& a, const Extents& b) {
    Extents out(std::max(a.size(), b.size()), 1);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
        std::int64_t& extent = out[out.size() - 1 - i];
        if (x == y || y == 1) {
            extent = x;
        } else if (x == 1 || x == kUnknownExtent) {
            extent = y;
        } else if (y == kUnknownExtent) {
            extent = x;
        } else {
            return std::nullopt;
        }
    }
    return out;
}

std::int64_t sum_of(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (a == kUnknownExtent || b == kUnknownExtent || __builtin_add_overflow(a, b, &sum)) return kUnknownExtent;
    return sum;
}

std::int64_t product_of(std::int64_t a, std::int64_t b) {
    std::int64_t product = 0;
    if (a == 0 || b == 0) return 0;
    if (a == kUnknownExtent || b == kUnknownExtent || __builtin_mul_overflow(a, b, &product)) return kUnknownExtent;
    return product;
}

std::int64_t product_of(std::span<const std::int64_t> extents) {
    std::int64_t product = 1;
    for (const std::int64_t extent : extents)
        product = product_of(product, extent);
    return product;
}

}  // namespace octile
