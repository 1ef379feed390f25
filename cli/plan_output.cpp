#include "cli/plan_output.h"

#include <fmt/format.h>

#include <iterator>

#include "cli/html_report.h"
#include "cli/left_out_report.h"
#include "cli/plan_table.h"
#include "cli/table.h"
#include "planner/plan_json.h"

namespace octile::cli {
namespace {

// `each` of the groups of `policies` plans, with an empty line between them.
template <typename Each>
std::string joined(std::span<const Plan> plans, std::size_t policies, Each each) {
    std::string text;
    for (std::size_t i = 0; i < plans.size(); i += policies) {
        if (!text.empty()) text += '\n';
        text += each(plans.subspan(i, policies));
    }
    return text;
}

std::string title_of_all(std::span<const Plan> plans) {
    return plans.size() == 1 ? title_of(plans[0]) : fmt::format("{}, all policies", title_of(plans.back()));
}

Table table_of(std::span<const Plan> plans) {
    return plans.size() == 1 ? plan_table(plans[0]) : policies_table(plans);
}

std::string summary_of(std::span<const Plan> plans) {
    if (plans.size() > 1) return policies_summary(plans);
    return fmt::format("{}\n{}", to_text(summarize(plans[0])), time_summary(plans[0]));
}

// One row per layer and one header for all plans, so that any CSV reader takes it. Lists inside a field are separated
// by ';'.
std::string csv(std::span<const Plan> plans) {
    const auto number = [](const std::optional<double>& value) { return value ? fmt::format("{}", *value) : ""; };
    std::string text =
        "model,name,op,m,k,n,count,act,bias,inputs,precision,reason,ratio,margin,quantize_input,fused,replaces,kernel,"
        "int8_us,fp16_us,cost_source,panel,panel_from,int8_quantize_us,int8_gemm_us,int8_epilogue_us,fp16_pack_us,"
        "fp16_gemm_us,fp16_epilogue_us,fp16_conversion_us,policy,core,threads,sqnr_db\n";
    auto out = std::back_inserter(text);
    for (const Plan& plan : plans) {
        for (const PlannedLayer& planned : plan.layers) {
            const Layer& layer = planned.layer;
            fmt::format_to(out, "{},{},{},{},{},{},{},{},{},{},", csv_field(plan.model), csv_field(layer.name),
                           name_of(layer.op), layer.m, layer.k, layer.n, layer.count, name_of(layer.activation),
                           layer.bias ? 1 : 0, csv_field(fmt::format("{}", fmt::join(layer.inputs, ";"))));
            fmt::format_to(out, "{},{},{},{},{},{},{},{},{},{},{},", name_of(planned.precision),
                           name_of(planned.reason), number(planned.ratio), number(planned.margin),
                           planned.quantize_input ? 1 : 0, csv_field(fused_form(planned)),
                           csv_field(fmt::format("{}", fmt::join(planned.replaces, ";"))),
                           csv_field(planned.kernel.value_or("")), number(planned.cost.int8_us()),
                           number(planned.cost.fp16_us()), name_of(planned.cost.source));
            const std::optional<SideCost>&int8 = planned.cost.int8, &fp16 = planned.cost.fp16;
            const auto part = [&](const std::optional<SideCost>& side, double SideCost::*field) {
                return side ? fmt::format("{}", (*side).*field) : "";
            };
            fmt::format_to(out, "{},{},{},{},{},", name_of(planned.panel), csv_field(planned.panel_from),
                           part(int8, &SideCost::input_us), part(int8, &SideCost::gemm_us),
                           part(int8, &SideCost::epilogue_us));
            fmt::format_to(out, "{},{},{},{},{},{},{},{}\n", part(fp16, &SideCost::input_us),
                           part(fp16, &SideCost::gemm_us), part(fp16, &SideCost::epilogue_us),
                           part(fp16, &SideCost::conversion_us), name_of(plan.policy), csv_field(plan.core),
                           plan.threads, planned.error ? fmt::format("{}", planned.error->sqnr_db) : "");
        }
    }
    return text;
}

}  // namespace

std::vector<std::string> plan_formats() {
    return {"table", "json", "csv", "md", "html"};
}

std::string format_plans(std::span<const Plan> plans, std::size_t policies, std::string_view format, bool colour) {
    if (format == "json") return to_json(plans);
    if (format == "csv") return csv(plans);
    if (format == "html") return html_report(plans, policies);
    const bool md = format == "md";
    const std::string warnings = left_out_warnings(plans, policies);
    const std::string tables = joined(plans, policies, [&](std::span<const Plan> group) {
        const Table table = table_of(group);
        return fmt::format("{}\n{}{}{}{}{}", title_of_all(group), md ? "\n" : "",
                           md ? table.markdown() : table.text(colour), md ? "\n" : "", summary_of(group),
                           left_out_summary(group.front(), md));
    });
    return warnings + (md && !warnings.empty() ? "\n" : "") + tables;
}

}  // namespace octile::cli
