// Operators that lay the same elements out in another shape.
#include <algorithm>
#include <array>
#include <numeric>

#include "base/limits.h"
#include "inputs/onnx/rules.h"

namespace octile {
namespace {

// The input's elements, if known, under another shape; they are as many.
void relabel(RuleContext& context, std::optional<Extents> out) {
    const Contents* const contents = context.contents(0);
    const std::optional<std::int64_t> elements = out ? elements_of(*out) : std::nullopt;
    if (contents != nullptr && elements == static_cast<std::int64_t>(contents->size())) {
        context.yield(0, std::move(*out), *contents);
    } else {
        context.yield(0, std::move(out));
    }
}

// The product of all extents but those that `hidden` marks.
std::int64_t product_without(const Extents& extents, const std::vector<bool>& hidden) {
    std::int64_t product = 1;
    for (std::size_t i = 0; i < extents.size(); ++i)
        product = product_of(product, hidden[i] ? 1 : extents[i]);
    return product;
}

// Fills in the one extent of `out` that is unknown, where the others and the number of elements are known: `from` has
// as many. Extents that both have in the same place from the left cancel out, known or not.
void fill_in(const Extents& from, Extents& out, const std::vector<bool>& copied) {
    if (std::count(out.begin(), out.end(), kUnknownExtent) == 0) return;
    std::vector<bool> from_hidden(from.size(), false), out_hidden(out.size(), false);
    for (std::size_t i = 0; i < std::min(from.size(), out.size()); ++i) {
        if (copied[i]) from_hidden[i] = out_hidden[i] = true;
    }
    std::optional<std::size_t> missing;
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (out[i] != kUnknownExtent || out_hidden[i]) continue;
        if (missing) return;
        missing = i;
    }
    if (!missing) return;
    out_hidden[*missing] = true;
    const std::int64_t elements = product_without(from, from_hidden), others = product_without(out, out_hidden);
    if (elements > 0 && others > 0 && elements % others == 0) out[*missing] = elements / others;
}

void reshape(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    Extents out;
    std::vector<bool> copied;  // an extent of 0 stands for the input's
    const Contents* const target = context.contents(1);
    if (target == nullptr) {
        const auto attribute = integers_attribute(context.node(), "shape");  // before operator set 5
        if (context.has(1) || !attribute) return context.yield(0, context.listed_extents(1));
        out = *attribute;
    } else {
        if (target->size() > limits::kRank) return;
        for (const Number& number : *target)
            out.push_back(number.as_integer().value_or(kUnknownExtent));
    }
    const bool allow_zero = context.integer("allowzero", 0) != 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        copied.push_back(out[i] == 0 && !allow_zero);
        if (copied[i]) out[i] = from && i < from->size() ? (*from)[i] : kUnknownExtent;
        out[i] = std::max(out[i], kUnknownExtent);
    }
    if (from) fill_in(*from, out, copied);
    relabel(context, std::move(out));
}

void flatten(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from) return context.yield(0, Extents{kUnknownExtent, kUnknownExtent});
    const std::int64_t axis = context.integer("axis", 1), rank = static_cast<std::int64_t>(from->size());
    if (axis < -rank || axis > rank) return;
    const auto cut = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
    const std::span<const std::int64_t> all(*from);
    relabel(context, Extents{product_of(all.first(cut)), product_of(all.subspan(cut))});
}

void transpose(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from) return;
    std::vector<std::int64_t> perm(from->size());
    std::iota(perm.rbegin(), perm.rend(), 0);
    if (const auto attribute = integers_attribute(context.node(), "perm")) perm = *attribute;
    if (perm.size() != from->size()) return;
    Extents out;
    std::vector<bool> seen(perm.size(), false);
    for (const std::int64_t axis : perm) {
        const auto source = axis_of(axis, from->size());
        if (!source || seen[*source]) return;
        seen[*source] = true;
        out.push_back((*from)[*source]);
    }
    const bool vector = std::count_if(out.begin(), out.end(), [](std::int64_t extent) { return extent != 1; }) <= 1;
    if (vector) return relabel(context, std::move(out));  // elements stay in order
    context.yield(0, std::move(out));
}

void squeeze(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from) return;
    std::vector<bool> drop(from->size(), false);
    if (context.has(1) || find_attribute(context.node(), "axes") != nullptr) {
        const auto axes = context.integers(1, "axes");
        if (!axes) return;
        for (const std::int64_t axis : *axes) {
            const auto at = axis_of(axis, from->size());
            if (!at) return;
            drop[*at] = true;
        }
    } else {
        if (!is_known(*from)) return;
        for (std::size_t i = 0; i < from->size(); ++i)
            drop[i] = (*from)[i] == 1;
    }
    Extents out;
    for (std::size_t i = 0; i < from->size(); ++i) {
        if (!drop[i]) out.push_back((*from)[i]);
    }
    relabel(context, std::move(out));
}

void unsqueeze(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    const auto axes = context.integers(1, "axes");
    if (!from || !axes || from->size() + axes->size() > limits::kRank) return;
    Extents out(from->size() + axes->size(), kUnknownExtent);
    std::vector<bool> made(out.size(), false);
    for (const std::int64_t axis : *axes) {
        const auto at = axis_of(axis, out.size());
        if (!at || made[*at]) return;
        made[*at] = true;
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = made[i] ? 1 : (*from)[next++];
    relabel(context, std::move(out));
}

void expand(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    const std::optional<Extents> target = context.listed_extents(1);
    if (!from || !target) return;
    std::optional<Extents> out = broadcast(*from, *target);
    if (!out) return;
    const Contents* const contents = context.contents(0);
    const std::optional<std::int64_t> elements = elements_of(*out);
    if (contents != nullptr && contents->size() == 1 && elements &&
        *elements <= static_cast<std::int64_t>(limits::kOnnxElements)) {
        Contents repeated(static_cast<std::size_t>(*elements), contents->front());
        return context.yield(0, std::move(*out), std::move(repeated));
    }
    relabel(context, std::move(out));
}

void tile(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from) return;
    const std::optional<Extents> times = context.listed_extents(1);
    Extents out(from->size(), kUnknownExtent);
    for (std::size_t i = 0; times && times->size() == out.size() && i < out.size(); ++i)
        out[i] = product_of((*from)[i], (*times)[i]);
    context.yield(0, std::move(out));
}

// [batch, channels, height, width] with `block` squares of pixels moved into channels, or out of them.
void move_blocks(RuleContext& context, bool into_channels) {
    const std::optional<Extents>& from = context.shape(0);
    const std::int64_t block = context.integer("blocksize", 0);
    if (!from || from->size() != 4 || block < 1) return;
    const auto scaled = [&](std::int64_t extent, bool up) {
        const std::int64_t factor = up ? block : 1;
        if (up) return product_of(extent, factor);
        return extent == kUnknownExtent ? kUnknownExtent : extent / block;
    };
    Extents out = *from;
    out[1] = scaled(scaled(out[1], into_channels), into_channels);
    out[2] = scaled(out[2], !into_channels);
    out[3] = scaled(out[3], !into_channels);
    context.yield(0, std::move(out));
}

void space_to_depth(RuleContext& context) {
    move_blocks(context, true);
}

void depth_to_space(RuleContext& context) {
    move_blocks(context, false);
}

constexpr std::array<Rule, 9> kRules = {{{"Reshape", reshape},
                                         {"Flatten", flatten},
                                         {"Transpose", transpose},
                                         {"Squeeze", squeeze},
                                         {"Unsqueeze", unsqueeze},
                                         {"Expand", expand},
                                         {"Tile", tile},
                                         {"SpaceToDepth", space_to_depth},
                                         {"DepthToSpace", depth_to_space}}};

}  // namespace

std::span<const Rule> layout_rules() {
    return kRules;
}

}  // namespace octile
