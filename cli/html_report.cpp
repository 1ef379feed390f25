#include "cli/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "cli/html_charts.h"
#include "cli/html_style.h"
#include "cli/left_out_report.h"
#include "cli/plan_table.h"
#include "cli/table.h"

namespace octile::cli {
namespace {

std::string tile(std::string_view number, std::string_view label) {
    return fmt::format("<div class=\"card\"><b>{}</b><span>{}</span></div>", escape_html(number), escape_html(label));
}

std::string tiles(const Plan& plan) {
    const PlanSummary summary = summarize(plan);
    std::string html = "<div class=\"tiles\">";
    html += tile(fmt::format("{} of {}", summary.int8, summary.linears), "linears in INT8");
    if (summary.int4 > 0) html += tile(fmt::format("{} of {}", summary.int4, summary.linears), "linears in INT4");
    if (summary.plan_us && summary.fp16_us) {
        html += tile(time_text(*summary.plan_us), "all linears, as planned");
        html += tile(time_text(*summary.fp16_us), "all linears, in FP16");
        html += tile(fmt::format("{:.2f} ×", *summary.plan_us > 0 ? *summary.fp16_us / *summary.plan_us : 1),
                     "as fast as in FP16");
    }
    return html + "</div>";
}

std::string card(std::string_view title, std::string_view words, std::string_view body) {
    return fmt::format("<section class=\"card\"><h2>{}</h2><p>{}</p><div class=\"scroll\">{}</div></section>\n", title,
                       words, body);
}

std::string legend(std::initializer_list<std::pair<std::string_view, std::string_view>> entries) {
    std::string html = "<div class=\"legend\">";
    for (const auto& [variable, label] : entries)
        html += fmt::format("<span><i style=\"background: var(--{})\"></i>{}</span>", variable, label);
    return html + "</div>";
}

std::string bars(const Plan& plan) {
    const std::string chart = bar_chart(plan);
    if (chart.empty()) {
        return card("Time of each layer", "No core was named, so no time is estimated: plan with <code>--core</code>.",
                    "");
    }
    const auto linears =
        static_cast<std::size_t>(std::count_if(plan.layers.begin(), plan.layers.end(), [](const PlannedLayer& planned) {
            return planned.layer.op == Op::kLinear;
        }));
    std::string words = fmt::format(
        "INT8 above, FP16 below; the planned one in full colour. Point at a part for its time. {} thread{} of {}.",
        plan.threads, plan.threads == 1 ? "" : "s", escape_html(plan.core));
    if (linears > kMostBars) {
        words += fmt::format(" The {} of {} linears that take most of the time; the table below holds all.", kMostBars,
                             linears);
    }
    return card("Time of each layer", words,
                legend({{"input", "quantize or pack the input"},
                        {"gemm", "GEMM"},
                        {"epilogue", "epilogue"},
                        {"conversion", "conversions"}}) +
                    chart);
}

std::string scatter(const Plan& plan) {
    const std::string chart = scatter_chart(plan);
    if (chart.empty()) return "";
    return card(
        "Ratio against gain",
        "Policy ratio decides by the dashed vertical line, policy cost by the dashed horizontal one. The area of a "
        "disc is the layer&#39;s part of the network&#39;s time.",
        legend({{"int8", "planned in INT8"}, {"fp16", "planned in FP16"}}) + chart);
}

std::string frontier(const Plan& plan) {
    const std::string chart = frontier_chart(plan);
    if (chart.empty()) return "";
    return card("Error frontier", "What each set of INT8 layers saves, and what it costs in accuracy.", chart);
}

// Cells that are a precision, alone or with a reason behind it, become a coloured mark.
std::string cell_html(const Cell& cell) {
    for (const std::string_view precision : {"int8", "fp16"}) {
        if (!cell.text.starts_with(precision)) continue;
        return fmt::format("<span class=\"pill {0}\">{0}</span>{1}", precision,
                           escape_html(std::string_view(cell.text).substr(precision.size())));
    }
    return escape_html(cell.text);
}

std::string table_html(const Table& table) {
    // K and N are in the form of the layer, and the space is for the notes.
    const auto shown = [](const Column& column) { return column.title != "K" && column.title != "N"; };
    std::string html = "<table><thead><tr>";
    for (const Column& column : table.columns()) {
        if (!shown(column)) continue;
        html += fmt::format("<th{}>{}</th>", column.align == Align::kRight ? " class=\"right\"" : "",
                            escape_html(column.title));
    }
    html += "</tr></thead><tbody>\n";
    for (const std::vector<Cell>& row : table.rows()) {
        html += "<tr>";
        for (std::size_t i = 0; i < row.size(); ++i) {
            const Column& column = table.columns()[i];
            if (!shown(column)) continue;
            const bool precision = column.title == "precision" || column.title.starts_with("by ");
            html += fmt::format("<td{}>{}</td>",
                                column.align == Align::kRight ? " class=\"right\""
                                : column.title == "note"      ? " class=\"wrap\""
                                                              : "",
                                precision ? cell_html(row[i]) : escape_html(row[i].text));
        }
        html += "</tr>\n";
    }
    return html + "</tbody></table>";
}

std::string lines_html(std::string_view lines) {
    std::string html = escape_html(lines);
    while (!html.empty() && html.back() == '\n')
        html.pop_back();
    for (std::size_t at = 0; (at = html.find('\n', at)) != std::string::npos; at += 4)
        html.replace(at, 1, "<br>");
    return html;
}

std::string article(std::span<const Plan> plans) {
    const Plan& plan = plans.back();
    std::string html =
        fmt::format("<article><h1>{}</h1><p>{}</p>{}\n", escape_html(plan.model.empty() ? "Plan" : plan.model),
                    escape_html(title_of(plan)), tiles(plan));
    if (plans.size() > 1) {
        html += card("All policies", lines_html(policies_summary(plans)), table_html(policies_table(plans)));
    }
    html += bars(plan) + scatter(plan) + frontier(plan);
    const std::string left_out = left_out_text(plan);
    if (!left_out.empty()) {
        const std::string warning = left_out_warning(plan);
        const Table table = left_out_table(plan);
        html += card("What is left out", lines_html(warning + (warning.empty() ? "" : "\n") + left_out),
                     table.rows().empty() ? "" : table_html(table));
    }
    html += card(fmt::format("The plan, by policy {}", name_of(plan.policy)), lines_html(to_text(summarize(plan))),
                 table_html(plan_table(plan)));
    return html + "</article>\n";
}

}  // namespace

std::string html_report(std::span<const Plan> plans, std::size_t policies) {
    const std::string title =
        plans.size() == policies ? plans.front().model : fmt::format("{} networks", plans.size() / policies);
    std::string html = fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\"><meta name=\"generator\" content=\"octile " OCTILE_VERSION
        "\"><title>{} · Octile plan</title><style>{}</style></head>\n<body><main>\n",
        escape_html(title), kHtmlStyle);
    for (std::size_t i = 0; i < plans.size(); i += policies)
        html += article(plans.subspan(i, policies));
    return html + "</main></body></html>\n";
}

std::string html_table(const Plan& plan) {
    return fmt::format("<div><p>{}</p>{}<p>{}</p></div>\n", escape_html(title_of(plan)), table_html(plan_table(plan)),
                       lines_html(to_text(summarize(plan)) + "\n" + time_summary(plan)));
}

}  // namespace octile::cli
