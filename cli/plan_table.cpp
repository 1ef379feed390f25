#include "cli/plan_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

namespace octile::cli {
namespace {

// Digits behind the point so that no ratio looks equal to the threshold it missed.
int ratio_decimals(const Plan& plan) {
    constexpr int kMost = 6;
    double closest = 1;
    for (const PlannedLayer& planned : plan.layers) {
        if (!planned.ratio) continue;
        const double distance = std::fabs(*planned.ratio - plan.min_ratio);
        if (distance > 0) closest = std::min(closest, distance);
    }
    int decimals = 1;
    for (double step = 0.1; step > closest && decimals < kMost; step /= 10)
        ++decimals;
    return decimals;
}

Colour colour_of(const PlannedLayer& planned) {
    if (planned.layer.op != Op::kLinear) return Colour::kNone;
    return is_quantized(planned.precision) ? Colour::kGreen : Colour::kYellow;
}

Cell microseconds(const std::optional<double>& us) {
    if (!us) return {"-"};
    return {fmt::format("{:.{}f}", *us, *us < 10 ? 2 : *us < 1000 ? 1 : 0)};
}

Cell gain(const Cost& cost) {
    return {cost.gain() ? fmt::format("{:.2f}", *cost.gain()) : "-"};
}

Cell ratio(const PlannedLayer& planned, int decimals) {
    return {planned.ratio ? fmt::format("{:.{}f}", *planned.ratio, decimals) : "-"};
}

std::vector<Column> shape_columns() {
    return {{"name"},
            {"op"},
            {"M", Align::kRight},
            {"K", Align::kRight},
            {"N", Align::kRight},
            {"count", Align::kRight},
            {"ratio", Align::kRight}};
}

std::vector<Cell> shape_cells(const PlannedLayer& planned, int decimals) {
    const Layer& layer = planned.layer;
    return {{layer.name},
            {fused_form(planned)},
            {fmt::format("{}", layer.m)},
            {fmt::format("{}", layer.k)},
            {fmt::format("{}", layer.n)},
            {fmt::format("{}", layer.count)},
            ratio(planned, decimals)};
}

// Names of the INT8 linears that read the panel of the layer called `name`.
using PanelReaders = std::unordered_map<std::string, std::vector<std::string>>;

PanelReaders panel_readers(const Plan& plan) {
    PanelReaders readers;
    for (const PlannedLayer& planned : plan.layers) {
        if (!planned.panel_from.empty()) readers[planned.panel_from].push_back(planned.layer.name);
    }
    return readers;
}

std::string note(const PlannedLayer& planned, const PanelReaders& readers) {
    std::vector<std::string> parts;
    if (planned.replaces.size() > 1) parts.push_back(fmt::format("replaces {}", fmt::join(planned.replaces, " + ")));
    switch (planned.panel) {
        case InputPanel::kNone:
        case InputPanel::kOwn:
            break;
        case InputPanel::kShared:
            parts.push_back(fmt::format("input quantized by {}", planned.panel_from));
            break;
        case InputPanel::kNorm:
            parts.push_back(fmt::format("input quantized in {}", planned.panel_from));
            break;
        case InputPanel::kChain:
            parts.push_back(fmt::format("input INT8 from {}", planned.panel_from));
            break;
    }
    if (!planned.gate.empty()) parts.push_back(fmt::format("times {}", planned.gate));
    if (!planned.layer.residual.empty()) parts.push_back(fmt::format("plus {}", planned.layer.residual));
    if (const auto found = readers.find(planned.layer.name); found != readers.end()) {
        const bool norm = planned.layer.op == Op::kLayerNorm;
        parts.push_back(fmt::format("{}quantizes for {}", norm ? "" : "also ", fmt::join(found->second, ", ")));
    }
    if (!planned.layer.assumptions.empty())
        parts.push_back(fmt::format("assumed: {}", fmt::join(planned.layer.assumptions, ", ")));
    return fmt::format("{}", fmt::join(parts, "; "));
}

bool has_costs(const Plan& plan) {
    return !plan.core.empty();
}

}  // namespace

std::string time_text(double us) {
    if (us < 1e3) return fmt::format("{:.1f} us", us);
    if (us < 1e6) return fmt::format("{:.2f} ms", us * 1e-3);
    return fmt::format("{:.2f} s", us * 1e-6);
}

std::string note_of(const Plan& plan, const PlannedLayer& layer) {
    return note(layer, panel_readers(plan));
}

std::string title_of(const Plan& plan) {
    std::string title = fmt::format("{}{}policy {}", plan.model, plan.model.empty() ? "" : ": ", name_of(plan.policy));
    if (plan.policy == Policy::kRatio || !has_costs(plan)) title += fmt::format(", min ratio {}", plan.min_ratio);
    if (has_costs(plan)) {
        title += fmt::format(", {}, {} thread{}, noise {} %", plan.core, plan.threads, plan.threads == 1 ? "" : "s",
                             plan.noise * 100);
    }
    return title;
}

Table plan_table(const Plan& plan) {
    const bool costs = has_costs(plan);
    const bool errors = std::any_of(plan.layers.begin(), plan.layers.end(),
                                    [](const PlannedLayer& planned) { return planned.error.has_value(); });
    const PanelReaders readers = panel_readers(plan);
    std::vector<std::string> notes;
    for (const PlannedLayer& planned : plan.layers)
        notes.push_back(note(planned, readers));
    const bool any_note =
        std::any_of(notes.begin(), notes.end(), [](const std::string& text) { return !text.empty(); });

    const bool int4 = std::any_of(plan.layers.begin(), plan.layers.end(),
                                  [](const PlannedLayer& planned) { return planned.cost.int4.has_value(); });
    std::vector<Column> columns = shape_columns();
    if (costs) {
        if (int4) columns.push_back({"INT4 us", Align::kRight});
        columns.push_back({"INT8 us", Align::kRight});
        columns.push_back({"FP16 us", Align::kRight});
        columns.push_back({"gain", Align::kRight});
    }
    if (errors) columns.push_back({"SQNR dB", Align::kRight});
    columns.push_back({"precision"});
    columns.push_back({"reason"});
    if (any_note) columns.push_back({"note"});
    Table table(std::move(columns));
    const int decimals = ratio_decimals(plan);
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
        const PlannedLayer& planned = plan.layers[i];
        std::vector<Cell> cells = shape_cells(planned, decimals);
        if (costs) {
            if (int4) cells.push_back(microseconds(planned.cost.int4_us()));
            cells.push_back(microseconds(planned.cost.int8_us()));
            cells.push_back(microseconds(planned.cost.fp16_us()));
            cells.push_back(gain(planned.cost));
        }
        if (errors) cells.push_back({planned.error ? fmt::format("{:.1f}", planned.error->sqnr_db) : "-"});
        cells.push_back({std::string(name_of(planned.precision)), colour_of(planned)});
        cells.push_back({std::string(name_of(planned.reason))});
        if (any_note) cells.push_back({notes[i]});
        table.add_row(std::move(cells));
    }
    return table;
}

std::string time_summary(const Plan& plan) {
    const PlanSummary summary = summarize(plan);
    if (!summary.plan_us || !summary.fp16_us) return "";
    return fmt::format("linears together: {} as planned, {} in FP16: {:.2f} times as fast\n",
                       time_text(*summary.plan_us), time_text(*summary.fp16_us),
                       *summary.plan_us > 0 ? *summary.fp16_us / *summary.plan_us : 1);
}

Table policies_table(std::span<const Plan> plans) {
    std::vector<Column> columns = shape_columns();
    columns.push_back({"gain", Align::kRight});
    for (const Plan& plan : plans)
        columns.push_back({fmt::format("by {}", name_of(plan.policy))});
    columns.push_back({"agree"});
    Table table(std::move(columns));
    const int decimals = ratio_decimals(plans.front());
    for (std::size_t i = 0; i < plans.front().layers.size(); ++i) {
        const PlannedLayer& first = plans.front().layers[i];
        std::vector<Cell> cells = shape_cells(first, decimals);
        cells.push_back(gain(plans.back().layers[i].cost));
        bool agree = true;
        for (const Plan& plan : plans) {
            const PlannedLayer& planned = plan.layers[i];
            if (planned.layer.op != Op::kLinear) {
                cells.push_back({"-"});
                continue;
            }
            agree = agree && planned.precision == first.precision;
            std::string verdict = fmt::format("{} {}", name_of(planned.precision), name_of(planned.reason));
            if (planned.error && plan.policy == Policy::kAccuracy)
                verdict += fmt::format(" ({:.1f} dB)", planned.error->sqnr_db);
            cells.push_back({std::move(verdict), colour_of(planned)});
        }
        cells.push_back({first.layer.op != Op::kLinear ? "-" : agree ? "yes" : "no"});
        table.add_row(std::move(cells));
    }
    return table;
}

std::string policies_summary(std::span<const Plan> plans) {
    std::int64_t linears = 0, disagree = 0;
    for (std::size_t i = 0; i < plans.front().layers.size(); ++i) {
        const PlannedLayer& first = plans.front().layers[i];
        if (first.layer.op != Op::kLinear) continue;
        linears += first.layer.count;
        const bool agree = std::all_of(plans.begin(), plans.end(),
                                       [&](const Plan& plan) { return plan.layers[i].precision == first.precision; });
        if (!agree) disagree += first.layer.count;
    }
    std::string text;
    for (const Plan& plan : plans) {
        text += fmt::format("{}: {}\n", name_of(plan.policy), to_text(summarize(plan)));
        const std::string time = time_summary(plan);
        if (!time.empty()) text += fmt::format("{}: {}", name_of(plan.policy), time);
    }
    return text + fmt::format("the policies disagree on {} of {} linears\n", disagree, linears);
}

}  // namespace octile::cli
