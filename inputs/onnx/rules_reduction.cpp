// Operators that take axes away by summing, or by looking for the largest.
#include <algorithm>
#include <array>

#include "inputs/onnx/rules.h"

namespace octile {
namespace {

void reduce(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from) return;
    const bool keep = context.integer("keepdims", 1) != 0;
    std::vector<bool> reduced(from->size(), true);
    const bool said = context.has(1) || find_attribute(context.node(), "axes") != nullptr;
    const auto axes = context.integers(1, "axes");
    if (said && !axes) {
        if (keep) context.yield(0, Extents(from->size(), kUnknownExtent));
        return;
    }
    if (axes && !axes->empty()) {
        std::fill(reduced.begin(), reduced.end(), false);
        for (const std::int64_t axis : *axes) {
            const auto at = axis_of(axis, from->size());
            if (!at) return;
            reduced[*at] = true;
        }
    } else if (context.integer("noop_with_empty_axes", 0) != 0) {
        return context.yield(0, from);
    }
    Extents out;
    for (std::size_t i = 0; i < from->size(); ++i) {
        if (!reduced[i]) out.push_back((*from)[i]);
        if (reduced[i] && keep) out.push_back(1);
    }
    const Contents* const contents = context.contents(0);
    const std::string_view op = context.node().op;
    const std::string_view step = op == "ReduceProd"  ? "Mul"
                                  : op == "ReduceSum" ? "Add"
                                  : op == "ReduceMax" ? "Max"
                                  : op == "ReduceMin" ? "Min"
                                                      : "";
    if (contents != nullptr && !contents->empty() && elements_of(out) == 1 && !step.empty()) {
        Number total = contents->front();
        for (std::size_t i = 1; i < contents->size(); ++i)
            total = compute(step, {total, (*contents)[i]});
        return context.yield(0, std::move(out), {total});
    }
    context.yield(0, std::move(out));
}

void arg_extreme(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    const auto axis = from ? axis_of(context.integer("axis", 0), from->size()) : std::nullopt;
    if (!axis) return;
    Extents out = *from;
    if (context.integer("keepdims", 1) != 0) {
        out[*axis] = 1;
    } else {
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(*axis));
    }
    context.yield(0, std::move(out));
}

void top_k(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    const auto axis = from ? axis_of(context.integer("axis", -1), from->size()) : std::nullopt;
    if (!axis) return;
    const auto k = context.integers(1);
    Extents out = *from;
    out[*axis] = k && k->size() == 1 ? std::max(k->front(), kUnknownExtent) : kUnknownExtent;
    if (!context.has(1)) out[*axis] = std::max(context.integer("k", kUnknownExtent), kUnknownExtent);
    context.yield(0, out);
    context.yield(1, std::move(out));
}

constexpr std::array<Rule, 13> kRules = {{{"ReduceMean", reduce},
                                          {"ReduceSum", reduce},
                                          {"ReduceMax", reduce},
                                          {"ReduceMin", reduce},
                                          {"ReduceProd", reduce},
                                          {"ReduceL1", reduce},
                                          {"ReduceL2", reduce},
                                          {"ReduceLogSum", reduce},
                                          {"ReduceLogSumExp", reduce},
                                          {"ReduceSumSquare", reduce},
                                          {"ArgMax", arg_extreme},
                                          {"ArgMin", arg_extreme},
                                          {"TopK", top_k}}};

}  // namespace

std::span<const Rule> reduction_rules() {
    return kRules;
}

}  // namespace octile
