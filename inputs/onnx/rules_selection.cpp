// Operators that take parts of tensors, or put tensors together.
#include <algorithm>
#include <array>
#include <limits>

#include "base/limits.h"
#include "inputs/onnx/rules.h"

namespace octile {
namespace {

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();

// Elements of a vector (or scalar) by index; unknown ones where an index is.
std::optional<Contents> pick(const Contents& data, const Contents& indices) {
    Contents picked;
    for (const Number& number : indices) {
        const std::optional<std::int64_t> index = number.as_integer();
        const auto at = index ? axis_of(*index, data.size()) : std::nullopt;
        if (index && !at) return std::nullopt;  // out of range
        picked.push_back(at ? data[*at] : Number());
    }
    return picked;
}

void gather(RuleContext& context) {
    const std::optional<Extents>&data = context.shape(0), &indices = context.shape(1);
    if (!data || !indices) return;
    const auto axis = axis_of(context.integer("axis", 0), data->size());
    if (!axis) return;
    Extents out(data->begin(), data->begin() + static_cast<std::ptrdiff_t>(*axis));
    out.insert(out.end(), indices->begin(), indices->end());
    out.insert(out.end(), data->begin() + static_cast<std::ptrdiff_t>(*axis) + 1, data->end());
    const Contents *from = context.contents(0), *at = context.contents(1);
    if (data->size() == 1 && from != nullptr && at != nullptr) {
        if (std::optional<Contents> picked = pick(*from, *at))
            return context.yield(0, std::move(out), std::move(*picked));
    }
    context.yield(0, std::move(out));
}

// One element of the output for each index.
void gather_elements(RuleContext& context) {
    context.yield(0, context.shape(1));
}

void gather_nd(RuleContext& context) {
    const std::optional<Extents>&data = context.shape(0), &indices = context.shape(1);
    const std::int64_t batch = context.integer("batch_dims", 0);
    if (!data || !indices || indices->empty() || indices->back() == kUnknownExtent || batch < 0) return;
    const std::int64_t taken = sum_of(batch, indices->back());
    if (taken < 0 || taken > static_cast<std::int64_t>(data->size())) return;
    Extents out(indices->begin(), indices->end() - 1);
    out.insert(out.end(), data->begin() + taken, data->end());
    context.yield(0, std::move(out));
}

struct Cut {
    std::int64_t start = 0, step = 1, count = kUnknownExtent;
};

// What of an extent a slice takes.
Cut cut_of(std::int64_t extent, std::int64_t start, std::int64_t end, std::int64_t step) {
    const auto bound = [&](std::int64_t at, std::int64_t low, std::int64_t high) {
        return std::clamp(at < 0 ? at + extent : at, low, high);
    };
    if (step > 0) {
        const std::int64_t first = bound(start, 0, extent), last = bound(end, 0, extent);
        return {first, step, last > first ? (last - first - 1) / step + 1 : 0};
    }
    const std::int64_t first = bound(start, 0, extent - 1), last = end < -extent ? -1 : bound(end, -1, extent - 1);
    const std::int64_t back = step == std::numeric_limits<std::int64_t>::min() ? kLargest : -step;
    return {first, -back, extent > 0 && first > last ? (first - last - 1) / back + 1 : 0};
}

void slice(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from) return;
    const bool attributes = !context.has(1);  // before operator set 10
    const auto list = [&](std::size_t i, std::string_view attribute) {
        return attributes ? integers_attribute(context.node(), attribute) : context.integers(i);
    };
    const Contents *starts = context.contents(1), *ends = context.contents(2);
    std::optional<std::vector<std::int64_t>> axes = list(3, "axes"), steps = list(4, "steps");
    const auto attribute_starts = list(1, "starts"), attribute_ends = list(2, "ends");
    const auto number = [&](const Contents* contents, const std::optional<std::vector<std::int64_t>>& known,
                            std::size_t i) -> std::optional<std::int64_t> {
        if (known) return i < known->size() ? std::optional((*known)[i]) : std::nullopt;
        return contents != nullptr && i < contents->size() ? (*contents)[i].as_integer() : std::nullopt;
    };
    std::size_t count = attribute_starts ? attribute_starts->size() : starts != nullptr ? starts->size() : 0;
    if (count == 0 && axes) count = axes->size();
    Extents out = *from;
    if ((context.has(3) && !axes) || (count == 0 && !axes)) {  // any axis may have been cut
        std::fill(out.begin(), out.end(), kUnknownExtent);
        return context.yield(0, std::move(out));
    }
    Cut only;  // of the last axis; its count is unknown where what is taken is
    for (std::size_t i = 0; i < count; ++i) {
        if (axes && i >= axes->size()) return;
        const auto axis = axis_of(axes ? (*axes)[i] : static_cast<std::int64_t>(i), out.size());
        if (!axis) return;
        const std::optional<std::int64_t> start = number(starts, attribute_starts, i),
                                          end = number(ends, attribute_ends, i);
        std::int64_t step = 1;  // 0, which no slice may have: unknown
        if (steps && i < steps->size())
            step = (*steps)[i];
        else if (!attributes && context.has(4) && !steps)
            step = 0;
        std::int64_t& extent = out[*axis];
        const std::int64_t whole = (*from)[*axis];
        if (start == 0 && end && *end >= kLargest / 2 && step == 1) {
            only = Cut{0, 1, whole};
        } else if (whole == kUnknownExtent) {
            // [:n] of at least n, which is what exporters write where a table is cut to length.
            extent = kUnknownExtent;
            only = Cut{};
        } else if (start && end && step != 0) {
            only = cut_of(whole, *start, *end, step);
            extent = only.count;
        } else {
            extent = kUnknownExtent;
            only = Cut{};
        }
    }
    const Contents* const contents = context.contents(0);
    if (contents != nullptr && from->size() == 1 && count == 1 && only.count != kUnknownExtent) {
        Contents taken;
        for (std::int64_t i = 0; i < only.count; ++i)
            taken.push_back((*contents)[static_cast<std::size_t>(only.start + i * only.step)]);
        return context.yield(0, std::move(out), std::move(taken));
    }
    context.yield(0, std::move(out));
}

void concat(RuleContext& context) {
    std::optional<Extents> out;
    for (std::size_t i = 0; i < context.inputs(); ++i) {
        if (context.shape(i) && (!out || out->size() == context.shape(i)->size())) {
            if (!out) out.emplace(context.shape(i)->size(), kUnknownExtent);
        } else if (context.shape(i)) {
            return;
        }
    }
    const auto axis = out ? axis_of(context.integer("axis", 1), out->size()) : std::nullopt;
    if (!axis) return;
    std::int64_t joined = 0;
    Contents contents;
    bool known = out->size() == 1;
    for (std::size_t i = 0; i < context.inputs(); ++i) {
        const std::optional<Extents>& extents = context.shape(i);
        joined = sum_of(joined, extents ? (*extents)[*axis] : kUnknownExtent);
        for (std::size_t at = 0; extents && at < out->size(); ++at) {
            if ((*out)[at] == kUnknownExtent) (*out)[at] = (*extents)[at];
        }
        const Contents* const more = context.contents(i);
        known =
            known && extents && joined != kUnknownExtent && joined <= static_cast<std::int64_t>(limits::kOnnxElements);
        if (!known) continue;
        if (more != nullptr) {
            contents.insert(contents.end(), more->begin(), more->end());
        } else {
            contents.resize(static_cast<std::size_t>(joined));
        }
    }
    (*out)[*axis] = joined;
    if (known) return context.yield(0, std::move(*out), std::move(contents));
    context.yield(0, std::move(out));
}

void split(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from) return;
    const auto axis = axis_of(context.integer("axis", 0), from->size());
    if (!axis) return;
    const std::int64_t whole = (*from)[*axis], parts = static_cast<std::int64_t>(context.outputs());
    const auto sizes = context.integers(1, "split");
    const Contents* const contents = from->size() == 1 ? context.contents(0) : nullptr;
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < context.outputs(); ++i) {
        std::int64_t size = kUnknownExtent;
        if (sizes && i < sizes->size()) {
            size = std::max((*sizes)[i], kUnknownExtent);
        } else if (!sizes && !context.has(1) && whole != kUnknownExtent) {
            const std::int64_t each = (whole + parts - 1) / parts;  // the last one may be smaller
            size = std::clamp<std::int64_t>(whole - begin, 0, each);
        }
        Extents out = *from;
        out[*axis] = size;
        const std::int64_t end = begin == kUnknownExtent ? kUnknownExtent : sum_of(begin, size);
        if (contents != nullptr && end != kUnknownExtent && end <= static_cast<std::int64_t>(contents->size())) {
            context.yield(i, std::move(out), Contents(contents->begin() + begin, contents->begin() + end));
        } else {
            context.yield(i, std::move(out));
        }
        begin = end;
    }
}

void pad(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from) return;
    const auto pads = context.integers(1, "pads");
    const auto axes = context.integers(3);
    if (context.has(3) && !axes) return context.yield(0, Extents(from->size(), kUnknownExtent));
    const std::size_t count = axes ? axes->size() : from->size();
    Extents out = *from;
    for (std::size_t i = 0; i < count; ++i) {
        const auto axis = axis_of(axes ? (*axes)[i] : static_cast<std::int64_t>(i), out.size());
        if (!axis) return;
        std::int64_t& extent = out[*axis];
        std::int64_t padded = 0;
        if (!pads || pads->size() != 2 * count || extent == kUnknownExtent ||
            __builtin_add_overflow((*pads)[i], (*pads)[count + i], &padded) ||
            __builtin_add_overflow(extent, padded, &padded)) {
            extent = kUnknownExtent;
        } else {
            extent = std::max<std::int64_t>(padded, 0);
        }
    }
    context.yield(0, std::move(out));
}

void compress(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (find_attribute(context.node(), "axis") == nullptr) return context.yield(0, Extents{kUnknownExtent});
    const auto axis = from ? axis_of(context.integer("axis", 0), from->size()) : std::nullopt;
    if (!axis) return;
    Extents out = *from;
    out[*axis] = kUnknownExtent;
    context.yield(0, std::move(out));
}

constexpr std::array<Rule, 8> kRules = {{{"Gather", gather},
                                         {"GatherElements", gather_elements},
                                         {"GatherND", gather_nd},
                                         {"Slice", slice},
                                         {"Concat", concat},
                                         {"Split", split},
                                         {"Pad", pad},
                                         {"Compress", compress}}};

}  // namespace

std::span<const Rule> selection_rules() {
    return kRules;
}

}  // namespace octile
