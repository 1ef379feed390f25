#include "cli/plan_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "cli/table.h"
#include "planner/plan_json.h"

namespace octile::cli {
namespace {

// Digits behind the point so that no ratio looks equal to the threshold it missed.
int ratio_decimals(const Plan& plan) {
    constexpr int kMost = 6;
    double closest = 1;
    for (const PlannedLayer& planned : plan.layers) {
        const double distance = std::fabs(planned.margin.value_or(0));
        if (distance > 0) closest = std::min(closest, distance);
    }
    int decimals = 1;
    for (double step = 0.1; step > closest && decimals < kMost; step /= 10)
        ++decimals;
    return decimals;
}

Table table_of(const Plan& plan) {
    Table table({{"name"},
                 {"op"},
                 {"M", Align::kRight},
                 {"K", Align::kRight},
                 {"N", Align::kRight},
                 {"count", Align::kRight},
                 {"ratio", Align::kRight},
                 {"precision"},
                 {"reason"}});
    const int decimals = ratio_decimals(plan);
    for (const PlannedLayer& planned : plan.layers) {
        const Layer& layer = planned.layer;
        const bool linear = layer.op == Op::kLinear;
        const Colour colour = planned.precision == Precision::kInt8 ? Colour::kGreen
                              : linear                              ? Colour::kYellow
                                                                    : Colour::kNone;
        table.add_row({{layer.name},
                       {fused_form(planned)},
                       {fmt::format("{}", layer.m)},
                       {fmt::format("{}", layer.k)},
                       {fmt::format("{}", layer.n)},
                       {fmt::format("{}", layer.count)},
                       {planned.ratio ? fmt::format("{:.{}f}", *planned.ratio, decimals) : "-"},
                       {std::string(name_of(planned.precision)), colour},
                       {std::string(name_of(planned.reason))}});
    }
    return table;
}

std::string title_of(const Plan& plan) {
    return fmt::format("{}{}policy {}, min ratio {}", plan.model, plan.model.empty() ? "" : ": ", name_of(plan.policy),
                       plan.min_ratio);
}

std::string text_table(std::span<const Plan> plans, bool colour) {
    std::string text;
    for (const Plan& plan : plans) {
        if (!text.empty()) text += '\n';
        text += fmt::format("{}\n{}{}\n", title_of(plan), table_of(plan).text(colour), to_text(summarize(plan)));
    }
    return text;
}

std::string markdown(std::span<const Plan> plans) {
    std::string text;
    for (const Plan& plan : plans) {
        if (!text.empty()) text += '\n';
        text += fmt::format("{}\n\n{}\n{}\n", title_of(plan), table_of(plan).markdown(), to_text(summarize(plan)));
    }
    return text;
}

// One row per layer and one header for all plans, so that any CSV reader takes it. Lists inside a field are separated
// by ';'.
std::string csv(std::span<const Plan> plans) {
    const auto number = [](const std::optional<double>& value) { return value ? fmt::format("{}", *value) : ""; };
    std::string text =
        "model,name,op,m,k,n,count,act,bias,inputs,precision,reason,ratio,margin,quantize_input,fused,replaces,kernel,"
        "int8_us,"
        "fp16_us,cost_source\n";
    auto out = std::back_inserter(text);
    for (const Plan& plan : plans) {
        for (const PlannedLayer& planned : plan.layers) {
            const Layer& layer = planned.layer;
            fmt::format_to(out, "{},{},{},{},{},{},{},{},{},{},", csv_field(plan.model), csv_field(layer.name),
                           name_of(layer.op), layer.m, layer.k, layer.n, layer.count, name_of(layer.activation),
                           layer.bias ? 1 : 0, csv_field(fmt::format("{}", fmt::join(layer.inputs, ";"))));
            fmt::format_to(out, "{},{},{},{},{},{},{},{},{},{},{}\n", name_of(planned.precision),
                           name_of(planned.reason), number(planned.ratio), number(planned.margin),
                           planned.quantize_input ? 1 : 0, csv_field(fused_form(planned)),
                           csv_field(fmt::format("{}", fmt::join(planned.replaces, ";"))),
                           csv_field(planned.kernel.value_or("")), number(planned.cost.int8_us()),
                           number(planned.cost.fp16_us()), name_of(planned.cost.source));
        }
    }
    return text;
}

}  // namespace

std::vector<std::string> plan_formats() {
    return {"table", "json", "csv", "md"};
}

std::string format_plans(std::span<const Plan> plans, std::string_view format, bool colour) {
    if (format == "json") return to_json(plans);
    if (format == "csv") return csv(plans);
    if (format == "md") return markdown(plans);
    return text_table(plans, colour);
}

}  // namespace octile::cli
