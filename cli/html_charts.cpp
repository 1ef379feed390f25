#include "cli/html_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <vector>

#include "base/precision_text.h"
#include "base/printable.h"
#include "cli/plan_table.h"

namespace octile::cli {
namespace {

// Time that the network spends on a layer as planned, all copies; 0 without costs.
double weight_of(const PlannedLayer& planned) {
    return planned.cost.us_of(planned.precision).value_or(0) * static_cast<double>(planned.layer.count);
}

// Indices of the linears that have costs on both sides, in the plan's order.
std::vector<std::size_t> costed(const Plan& plan) {
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
        if (plan.layers[i].cost.int8 && plan.layers[i].cost.fp16) rows.push_back(i);
    }
    return rows;
}

double total_weight(const Plan& plan) {
    return std::accumulate(plan.layers.begin(), plan.layers.end(), 0.0,
                           [](double sum, const PlannedLayer& planned) { return sum + weight_of(planned); });
}

// The end of a name tells layers apart better than its beginning.
std::string shortened(const std::string& name, std::size_t most) {
    std::vector<std::size_t> starts;  // of code points
    for (std::size_t i = 0; i < name.size(); ++i) {
        if ((name[i] & 0xC0) != 0x80) starts.push_back(i);
    }
    if (starts.size() <= most) return name;
    return fmt::format("…{}", name.substr(starts[starts.size() - most + 1]));
}

std::string layer_title(const PlannedLayer& planned, double total) {
    const Layer& layer = planned.layer;
    return escape_html(fmt::format(
        "{}\n{}, M = {}{}\nINT8 {}, FP16 {}: {:.2f} times as fast{}\n{} by {}\n{:.1f} % of the network's time",
        layer.name, fused_form(planned), layer.m, layer.count > 1 ? fmt::format(", {} times", layer.count) : "",
        time_text(planned.cost.int8_us().value_or(0)), time_text(planned.cost.fp16_us().value_or(0)),
        planned.cost.gain().value_or(0),
        planned.cost.int4 ? fmt::format(", INT4 {}", time_text(*planned.cost.int4_us())) : "",
        internal::capitals_of(planned.precision), name_of(planned.reason),
        total > 0 ? 100 * weight_of(planned) / total : 0));
}

// Geometry of the bar chart, in the units of its viewBox.
constexpr double kWidth = 1060, kNames = 250, kBars = 296, kBarsEnd = 770, kTimes = 780, kGains = 880, kShares = 930;
constexpr double kRow = 42, kBarHeight = 12, kHead = 26;

void append_bar(std::string& svg, const SideCost& cost, Precision precision, bool chosen, double y, double longest) {
    struct Part {
        const char* style;
        std::string name;
        double us;
    };
    const Part parts[] = {{"input", is_quantized(precision) ? "quantize" : "pack", cost.input_us},
                          {"gemm", fmt::format("GEMM ({} bound)", name_of(cost.bound)), cost.gemm_us},
                          {"epilogue", "epilogue", cost.epilogue_us},
                          {"conversion", "conversions for INT8 neighbours", cost.conversion_us}};
    auto out = std::back_inserter(svg);
    fmt::format_to(out, "<text class=\"small{}\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                   chosen ? " strong" : " muted", kBars - 8, y + 10, internal::capitals_of(precision));
    fmt::format_to(out, "<g{}>", chosen ? "" : " class=\"left\"");
    double x = kBars;
    for (const Part& part : parts) {
        if (part.us <= 0) continue;
        const double width = part.us / longest * (kBarsEnd - kBars);
        fmt::format_to(
            out,
            "<rect class=\"{}\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{}\"><title>{} {}: {:.3f} "
            "us of {:.3f} us on {}</title></rect>",
            part.style, x, y, width, kBarHeight, internal::capitals_of(precision), part.name, part.us, cost.total_us(),
            name_of(cost.isa));
        x += width;
    }
    fmt::format_to(out, "</g><text class=\"small{}\" x=\"{}\" y=\"{}\">{}{}</text>", chosen ? " strong" : " muted",
                   kTimes, y + 10, time_text(cost.total_us()), cost.measured ? " measured" : "");
}

// 1, 2, 5, 10, 20, ... from `low` to `high`.
std::vector<double> log_ticks(double low, double high) {
    std::vector<double> ticks;
    for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
        for (const double step : {1, 2, 5}) {
            if (power * step >= low && power * step <= high) ticks.push_back(power * step);
        }
    }
    return ticks;
}

// Steps of 1, 2 or 5 times a power of ten, about `count` of them in `range`.
double tick_step(double range, int count) {
    const double raw = range / count, power = std::pow(10, std::floor(std::log10(raw)));
    for (const double step : {1.0, 2.0, 5.0}) {
        if (power * step >= raw) return power * step;
    }
    return power * 10;
}

// A plot's frame: where values are on the drawing.
struct Frame {
    static constexpr double kPlotWidth = 760, kPlotHeight = 400, kLeft = 56, kRight = 744, kTop = 16, kBottom = 352;
    double x_low, x_high, y_low, y_high;
    bool log_x;

    double x(double value) const {
        const auto scale = [&](double v) { return log_x ? std::log(v) : v; };
        return kLeft + (scale(value) - scale(x_low)) / (scale(x_high) - scale(x_low)) * (kRight - kLeft);
    }
    double y(double value) const { return kBottom - (value - y_low) / (y_high - y_low) * (kBottom - kTop); }

    std::string begin(std::string_view name, std::string_view label, std::string_view x_label, std::string_view y_label,
                      const std::vector<double>& x_ticks) const {
        std::string svg = fmt::format(
            "<svg class=\"{}\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\" style=\"min-width: 560px\">", name,
            label, kPlotWidth, kPlotHeight);
        auto out = std::back_inserter(svg);
        for (const double tick : x_ticks) {
            fmt::format_to(
                out,
                "<line class=\"axis\" x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\"/><text class=\"small "
                "muted\" x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4:g}</text>",
                x(tick), kTop, kBottom, kBottom + 16, tick);
        }
        const double step = tick_step(y_high - y_low, 6);
        for (double tick = std::ceil(y_low / step) * step; tick <= y_high; tick += step) {
            fmt::format_to(
                out,
                "<line class=\"axis\" x1=\"{0}\" y1=\"{1:.1f}\" x2=\"{2}\" y2=\"{1:.1f}\"/><text class=\"small "
                "muted\" x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.3g}</text>",
                kLeft, y(tick), kRight, kLeft - 8, y(tick) + 4, tick);
        }
        fmt::format_to(out, "<text class=\"muted\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                       (kLeft + kRight) / 2, kPlotHeight - 8, x_label);
        fmt::format_to(
            out, "<text class=\"muted\" transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            (kTop + kBottom) / 2, y_label);
        return svg;
    }
};

}  // namespace

std::string escape_html(std::string_view text) {
    std::string escaped;
    for (const char c : internal::escape_unprintable(text, internal::Breaks::kKept)) {
        switch (c) {
            case '&':
                escaped += "&amp;";
                break;
            case '<':
                escaped += "&lt;";
                break;
            case '>':
                escaped += "&gt;";
                break;
            case '"':
                escaped += "&quot;";
                break;
            default:
                escaped += c;
        }
    }
    return escaped;
}

std::string bar_chart(const Plan& plan) {
    std::vector<std::size_t> rows = costed(plan);
    if (rows.empty()) return "";
    if (rows.size() > kMostBars) {
        std::nth_element(rows.begin(), rows.begin() + kMostBars, rows.end(), [&](std::size_t a, std::size_t b) {
            return weight_of(plan.layers[a]) > weight_of(plan.layers[b]);
        });
        rows.resize(kMostBars);
        std::sort(rows.begin(), rows.end());
    }
    const double total = total_weight(plan);
    double heaviest = 0;
    for (const std::size_t row : rows)
        heaviest = std::max(heaviest, weight_of(plan.layers[row]));
    const double height = kHead + kRow * static_cast<double>(rows.size()) + 4;
    std::string svg = fmt::format(
        "<svg class=\"bars\" role=\"img\" aria-label=\"Time of every linear in INT8 and in FP16\" viewBox=\"0 0 {} "
        "{}\" "
        "style=\"min-width: 860px\">",
        kWidth, height);
    auto out = std::back_inserter(svg);
    fmt::format_to(
        out,
        "<text class=\"small muted\" x=\"0\" y=\"12\">layer</text><text class=\"small muted\" x=\"{}\" "
        "y=\"12\">each layer&#39;s longer side fills the width</text><text class=\"small muted\" x=\"{}\" "
        "y=\"12\">one copy</text><text class=\"small muted\" x=\"{}\" y=\"12\">gain</text><text class=\"small "
        "muted\" x=\"{}\" y=\"12\">part of the network</text>",
        kBars, kTimes, kGains, kShares);
    double y = kHead;
    for (const std::size_t row : rows) {
        const PlannedLayer& planned = plan.layers[row];
        const bool quantized = is_quantized(planned.precision);
        // INT4, where it is taken, in the place of INT8.
        const Precision upper = planned.cost.int4 ? Precision::kInt4 : Precision::kInt8;
        const SideCost &fast = planned.cost.int4 ? *planned.cost.int4 : *planned.cost.int8, &slow = *planned.cost.fp16;
        const double longest = std::max(fast.total_us(), slow.total_us());
        fmt::format_to(
            out,
            "<g class=\"layer\"><line class=\"axis\" x1=\"0\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/><text x=\"0\" "
            "y=\"{}\">{}<title>{}</title></text><text class=\"small muted\" x=\"0\" y=\"{}\">{}</text>",
            kWidth, y - 3, y - 3, y + 13, escape_html(shortened(planned.layer.name, 34)), layer_title(planned, total),
            y + 28,
            escape_html(fmt::format("M {} · {}→{}{}", planned.layer.m, planned.layer.k, planned.layer.n,
                                    planned.layer.count > 1 ? fmt::format(" · {}×", planned.layer.count) : "")));
        append_bar(svg, fast, upper, quantized, y + 3, longest > 0 ? longest : 1);
        append_bar(svg, slow, Precision::kFp16, !quantized, y + 3 + kBarHeight + 4, longest > 0 ? longest : 1);
        const double weight = weight_of(planned);
        fmt::format_to(out, "<text class=\"strong {}\" x=\"{}\" y=\"{}\">{:.2f}×</text>", quantized ? "int8" : "fp16",
                       kGains, y + 22, fast.total_us() > 0 ? slow.total_us() / fast.total_us() : 0);
        fmt::format_to(
            out,
            "<rect class=\"share\" x=\"{}\" y=\"{}\" width=\"{:.2f}\" height=\"10\"/><text class=\"small muted\" "
            "x=\"{}\" y=\"{}\">{:.1f} %</text></g>",
            kShares, y + 7, heaviest > 0 ? weight / heaviest * (kWidth - kShares) : 0, kShares, y + 30,
            total > 0 ? 100 * weight / total : 0);
        y += kRow;
    }
    return svg + "</svg>";
}

std::string scatter_chart(const Plan& plan) {
    const std::vector<std::size_t> rows = costed(plan);
    if (rows.empty()) return "";
    Frame frame{.x_low = plan.min_ratio > 1 ? plan.min_ratio / 2 : 1,
                .x_high = std::max(plan.min_ratio, 1.0) * 2,
                .y_low = 0,
                .y_high = 2,
                .log_x = true};
    for (const std::size_t row : rows) {
        frame.x_low = std::min(frame.x_low, *plan.layers[row].ratio / 1.3);
        frame.x_high = std::max(frame.x_high, *plan.layers[row].ratio * 1.3);
        frame.y_high = std::max(frame.y_high, plan.layers[row].cost.gain().value_or(0));
    }
    frame.y_high *= 1.12;
    const double total = total_weight(plan);
    std::string svg = frame.begin("scatter", "Ratio against gain", "ratio K·N / (K+N)", "gain: FP16 time ÷ INT8 time",
                                  log_ticks(frame.x_low, frame.x_high));
    auto out = std::back_inserter(svg);
    if (plan.min_ratio > 0) {
        fmt::format_to(
            out,
            "<line class=\"rule min-ratio\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"><title>policy "
            "ratio: INT8 from {3:g} on</title></line><text class=\"small muted\" x=\"{4:.1f}\" y=\"{5}\">ratio "
            "{3:g}</text>",
            frame.x(plan.min_ratio), Frame::kTop, Frame::kBottom, plan.min_ratio, frame.x(plan.min_ratio) + 5,
            Frame::kTop + 12);
    }
    fmt::format_to(out, "<line class=\"one\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>", Frame::kLeft,
                   Frame::kRight, frame.y(1));
    fmt::format_to(
        out,
        "<line class=\"rule\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/><text class=\"small muted\" "
        "x=\"{1}\" y=\"{3:.1f}\" text-anchor=\"end\">INT8 has to gain {4:g} %</text>",
        Frame::kLeft, Frame::kRight, frame.y(1 + plan.noise), frame.y(1 + plan.noise) - 5, plan.noise * 100);
    for (const std::size_t row : rows) {
        const PlannedLayer& planned = plan.layers[row];
        const double part = total > 0 ? weight_of(planned) / total : 0;
        fmt::format_to(out, "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"><title>{}</title></circle>",
                       name_of(planned.precision), frame.x(*planned.ratio), frame.y(planned.cost.gain().value_or(0)),
                       4 + 16 * std::sqrt(part), layer_title(planned, total));
    }
    return svg + "</svg>";
}

std::string frontier_chart(const Plan& plan) {
    if (plan.frontier.size() < 2) return "";
    std::vector<FrontierPoint> points = plan.frontier;
    std::sort(points.begin(), points.end(),
              [](const FrontierPoint& a, const FrontierPoint& b) { return a.saved_us < b.saved_us; });
    Frame frame{.x_low = std::min(0.0, points.front().saved_us),
                .x_high = std::max(points.back().saved_us * 1.05, points.front().saved_us + 1),
                .y_low = points[0].sqnr_db,
                .y_high = points[0].sqnr_db,
                .log_x = false};
    for (const FrontierPoint& point : points) {
        frame.y_low = std::min(frame.y_low, point.sqnr_db);
        frame.y_high = std::max(frame.y_high, point.sqnr_db);
    }
    const double margin = std::max(1.0, 0.08 * (frame.y_high - frame.y_low));
    frame.y_low -= margin;
    frame.y_high += margin;
    std::vector<double> ticks;
    const double step = tick_step(frame.x_high - frame.x_low, 7);
    for (double tick = std::ceil(frame.x_low / step) * step; tick <= frame.x_high; tick += step)
        ticks.push_back(tick);
    std::string svg = frame.begin("frontier", "Time saved against error", "time saved against FP16, us",
                                  "SQNR of the network, dB", ticks);
    auto out = std::back_inserter(svg);
    svg += "<path class=\"path\" d=\"";
    for (std::size_t i = 0; i < points.size(); ++i)
        fmt::format_to(out, "{}{:.1f} {:.1f}", i == 0 ? "M" : " L", frame.x(points[i].saved_us),
                       frame.y(points[i].sqnr_db));
    svg += "\"/>";
    for (const FrontierPoint& point : points) {
        fmt::format_to(
            out,
            "<circle class=\"int8\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\"><title>{} linear{} in INT8: {} saved, SQNR "
            "{:.1f} dB</title></circle>",
            frame.x(point.saved_us), frame.y(point.sqnr_db), point.int8_layers, point.int8_layers == 1 ? "" : "s",
            time_text(point.saved_us), point.sqnr_db);
    }
    return svg + "</svg>";
}

}  // namespace octile::cli
