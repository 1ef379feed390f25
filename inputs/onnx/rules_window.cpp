// Operators on [batch, channels, ...] whose windows move over the axes behind the channels.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/limits.h"
#include "inputs/onnx/rules.h"

namespace octile {
namespace {

// Attributes of a window along one axis.
struct Window {
    std::int64_t kernel = kUnknownExtent, stride = 1, dilation = 1, pads = 0;
};

std::vector<Window> windows_of(const RuleContext& context, std::size_t axes, const Extents& kernel) {
    std::vector<Window> windows(axes);
    const auto strides = integers_attribute(context.node(), "strides");
    const auto dilations = integers_attribute(context.node(), "dilations");
    const auto pads = integers_attribute(context.node(), "pads");
    for (std::size_t i = 0; i < axes; ++i) {
        windows[i].kernel = i < kernel.size() ? kernel[i] : kUnknownExtent;
        if (strides && i < strides->size()) windows[i].stride = (*strides)[i];
        if (dilations && i < dilations->size()) windows[i].dilation = (*dilations)[i];
        if (pads && pads->size() == 2 * axes) windows[i].pads = sum_of((*pads)[i], (*pads)[axes + i]);
    }
    return windows;
}

std::int64_t positions(std::int64_t extent, const Window& window, std::string_view auto_pad, bool ceil) {
    if (extent == kUnknownExtent || window.stride < 1) return kUnknownExtent;
    if (auto_pad.starts_with("SAME")) return extent / window.stride + (extent % window.stride != 0 ? 1 : 0);
    if (window.kernel < 1 || window.dilation < 1) return kUnknownExtent;
    const std::int64_t reach = product_of(window.kernel - 1, window.dilation);
    std::int64_t room = sum_of(extent, auto_pad == "VALID" ? 0 : window.pads);
    if (reach == kUnknownExtent || room == kUnknownExtent) return kUnknownExtent;
    room -= reach + 1;
    if (room < 0) return kUnknownExtent;
    return room / window.stride + 1 + (ceil && room % window.stride != 0 ? 1 : 0);
}

// The axes behind batch and channels; unknown ones where the rank alone is known.
Extents moved_axes(const RuleContext& context, const Extents& from, const Extents& kernel) {
    const std::vector<Window> windows = windows_of(context, from.size() - 2, kernel);
    const std::string_view auto_pad = text_attribute(context.node(), "auto_pad", "NOTSET");
    const bool ceil = context.integer("ceil_mode", 0) != 0;
    Extents out;
    for (std::size_t i = 0; i < windows.size(); ++i)
        out.push_back(positions(from[i + 2], windows[i], auto_pad, ceil));
    return out;
}

// Weights are [channels out, channels in / groups, kernel ...].
void conv_of(RuleContext& context, std::size_t weights) {
    const std::optional<Extents>& w = context.shape(weights);
    if (!w || w->size() < 3) return;
    Extents from = context.shape(0).value_or(Extents(w->size(), kUnknownExtent));
    if (from.size() != w->size()) return;
    Extents out = {from[0], (*w)[0]};
    const Extents moved = moved_axes(context, from, Extents(w->begin() + 2, w->end()));
    out.insert(out.end(), moved.begin(), moved.end());
    context.yield(0, std::move(out));
}

void conv(RuleContext& context) {
    conv_of(context, 1);
}

void qlinear_conv(RuleContext& context) {
    conv_of(context, 3);
}

void conv_transpose(RuleContext& context) {
    const std::optional<Extents>&from = context.shape(0), &w = context.shape(1);
    if (!from || !w || from->size() < 3 || w->size() != from->size()) return;
    const std::size_t axes = from->size() - 2;
    Extents out = {(*from)[0], product_of((*w)[1], context.integer("group", 1))};
    const std::vector<Window> windows = windows_of(context, axes, Extents(w->begin() + 2, w->end()));
    const auto extra = integers_attribute(context.node(), "output_padding");
    const auto said = integers_attribute(context.node(), "output_shape");
    const std::string_view auto_pad = text_attribute(context.node(), "auto_pad", "NOTSET");
    for (std::size_t i = 0; i < axes; ++i) {
        const Window& window = windows[i];
        const std::int64_t extent = (*from)[i + 2];
        if (said && i < said->size()) {
            out.push_back(std::max(said->at(i), kUnknownExtent));
        } else if (extent < 1 || window.kernel < 1 || auto_pad != "NOTSET" || window.pads < 0) {
            out.push_back(kUnknownExtent);
        } else {
            std::int64_t size = sum_of(product_of(extent - 1, window.stride),
                                       sum_of(product_of(window.kernel - 1, window.dilation), 1));
            if (size != kUnknownExtent) size += (extra && i < extra->size() ? (*extra)[i] : 0) - window.pads;
            out.push_back(std::max(size, kUnknownExtent));
        }
    }
    context.yield(0, std::move(out));
}

void pool(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from || from->size() < 3) return;
    Extents out = {(*from)[0], (*from)[1]};
    const Extents kernel = integers_attribute(context.node(), "kernel_shape").value_or(Extents());
    const Extents moved = moved_axes(context, *from, kernel);
    out.insert(out.end(), moved.begin(), moved.end());
    context.yield(0, out);
    context.yield(1, std::move(out));
}

void global_pool(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from || from->size() < 3) return;
    Extents out(from->size(), 1);
    out[0] = (*from)[0];
    out[1] = (*from)[1];
    context.yield(0, std::move(out));
}

// By sizes, or by scales, of all axes or of some.
void resize(RuleContext& context) {
    const std::optional<Extents>& from = context.shape(0);
    if (!from) return;
    const bool old = context.node().op == "Upsample" || context.node().opset < 11;
    const Contents *scales = context.contents(old ? 1 : 2), *sizes = old ? nullptr : context.contents(3);
    std::vector<std::int64_t> axes;
    if (const auto some = integers_attribute(context.node(), "axes")) {
        axes = *some;
    } else {
        for (std::size_t i = 0; i < from->size(); ++i)
            axes.push_back(static_cast<std::int64_t>(i));
    }
    const std::string_view policy = text_attribute(context.node(), "keep_aspect_ratio_policy", "stretch");
    Extents out = *from;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const auto axis = axis_of(axes[i], out.size());
        if (!axis) return;
        std::int64_t& extent = out[*axis];
        if (sizes != nullptr && i < sizes->size() && policy == "stretch") {
            extent = extent_of((*sizes)[i].to_integer());
        } else if (scales != nullptr && i < scales->size()) {
            const std::optional<double> scale = (*scales)[i].as_real();
            const double scaled = scale ? std::floor(static_cast<double>(extent) * *scale) : -1;
            extent = extent != kUnknownExtent && scaled >= 0 && scaled < 9e15 ? static_cast<std::int64_t>(scaled)
                                                                              : kUnknownExtent;
        } else {
            extent = kUnknownExtent;
        }
    }
    context.yield(0, std::move(out));
}

void grid_sample(RuleContext& context) {
    const std::optional<Extents>&from = context.shape(0), &grid = context.shape(1);
    if (!from || !grid || from->size() != grid->size() || from->size() < 3) return;
    Extents out = {(*from)[0], (*from)[1]};
    out.insert(out.end(), grid->begin() + 1, grid->end() - 1);
    context.yield(0, std::move(out));
}

constexpr std::array<Rule, 15> kRules = {{{"Conv", conv},
                                          {"FusedConv", conv},
                                          {"ConvInteger", conv},
                                          {"QLinearConv", qlinear_conv},
                                          {"ConvTranspose", conv_transpose},
                                          {"MaxPool", pool},
                                          {"AveragePool", pool},
                                          {"LpPool", pool},
                                          {"GlobalMaxPool", global_pool},
                                          {"GlobalAveragePool", global_pool},
                                          {"GlobalLpPool", global_pool},
                                          {"Resize", resize},
                                          {"Upsample", resize},
                                          {"GridSample", grid_sample},
                                          {"DeformConv", conv}}};

}  // namespace

std::span<const Rule> window_rules() {
    return kRules;
}

}  // namespace octile
