#include <fmt/format.h>

#include <utility>

#include "base/json.h"
#include "planner/plan_json.h"

namespace octile {
namespace {

using internal::json_string;
using internal::json_strings;

// Written by hand rather than from a JSON tree: one layer per line, keys in the order a reader wants them, and no tree
// of 10,000 layers to build first.
class JsonWriter {
  public:
    std::string take() { return std::move(text_); }

    void plan(const Plan& plan) {
        const PlanSummary summary = summarize(plan);
        text_ += fmt::format(
            "{{\"octile_plan\": 1,\n \"model\": {},\n \"policy\": \"{}\",\n \"min_ratio\": {},\n"
            " \"core\": {}, \"threads\": {}, \"noise\": {},\n",
            json_string(plan.model), name_of(plan.policy), plan.min_ratio,
            plan.core.empty() ? "null" : json_string(plan.core), plan.threads, plan.noise);
        text_ += fmt::format(
            " \"summary\": {{\"linears\": {}, \"int8\": {}, {}\"fp16\": {}, \"left_by_ratio\": {}, "
            "\"left_by_cost\": {}, \"left_by_accuracy\": {}, \"left_by_skip\": {}, \"left_no_kernel\": {}, "
            "\"left_by_force\": {}, \"not_linear\": {}, \"plan_us\": {}, \"fp16_us\": {}}},\n",
            summary.linears, summary.int8, summary.int4 > 0 ? fmt::format("\"int4\": {}, ", summary.int4) : "",
            summary.fp16, summary.left_by_ratio, summary.left_by_cost, summary.left_by_accuracy, summary.left_by_skip,
            summary.left_no_kernel, summary.left_by_force, summary.not_linear, number(summary.plan_us),
            number(summary.fp16_us));
        for (std::size_t i = 0; i < plan.frontier.size(); ++i) {
            const FrontierPoint& point = plan.frontier[i];
            text_ += fmt::format("{}{{\"int8_layers\": {}, \"saved_us\": {}, \"sqnr_db\": {}}}",
                                 i == 0 ? " \"frontier\": [" : ", ", point.int8_layers, point.saved_us, point.sqnr_db);
        }
        if (!plan.frontier.empty()) text_ += "],\n";
        left_out(plan);
        text_ += " \"layers\": [";
        for (std::size_t i = 0; i < plan.layers.size(); ++i) {
            text_ += i == 0 ? "\n  " : ",\n  ";
            layer(plan.layers[i]);
        }
        text_ += "]}";
    }

    void raw(std::string_view text) { text_ += text; }

  private:
    static std::string number(const std::optional<double>& value) { return value ? fmt::format("{}", *value) : "null"; }

    void left_out(const Plan& plan) {
        if (plan.parameters != 0) text_ += fmt::format(" \"parameters\": {},\n", plan.parameters);
        if (plan.left_out.empty()) return;
        text_ += " \"left_out\": [";
        for (std::size_t i = 0; i < plan.left_out.size(); ++i) {
            const LeftOut& left = plan.left_out[i];
            text_ += fmt::format(
                "{}{{\"tensor\": {}, \"reason\": \"{}\", \"text\": {}, \"parameters\": {}, \"bytes\": {}{}}}",
                i == 0 ? "\n  " : ",\n  ", json_string(left.tensor), name_of(left.reason), json_string(left.text),
                left.parameters, left.bytes, left.assumed ? ", \"assumed\": true" : "");
        }
        text_ += "],\n";
    }

    void layer(const PlannedLayer& planned) {
        const Layer& layer = planned.layer;
        text_ += fmt::format(
            "{{\"name\": {}, \"op\": \"{}\", \"m\": {}, \"k\": {}, \"n\": {}, \"count\": {}, \"act\": \"{}\", "
            "\"bias\": {}, ",
            json_string(layer.name), name_of(layer.op), layer.m, layer.k, layer.n, layer.count,
            name_of(layer.activation), layer.bias);
        if (layer.epsilon) text_ += fmt::format("\"eps\": {}, ", *layer.epsilon);
        if (layer.output_scale) text_ += fmt::format("\"output_scale\": {}, ", *layer.output_scale);
        text_ += fmt::format("\"inputs\": {}, ", layer.input_unknown ? "null" : json_strings(layer.inputs));
        if (!layer.residual.empty()) text_ += fmt::format("\"residual\": {}, ", json_string(layer.residual));
        if (!layer.assumptions.empty()) text_ += fmt::format("\"assumed\": {}, ", json_strings(layer.assumptions));
        text_ += fmt::format(
            "\"precision\": \"{}\", \"reason\": \"{}\", \"ratio\": {}, \"margin\": {}, \"quantize_input\": {}, "
            "\"fused\": \"{}\", \"replaces\": {}, \"kernel\": {}, ",
            name_of(planned.precision), name_of(planned.reason), number(planned.ratio), number(planned.margin),
            planned.quantize_input, fused_form(planned), json_strings(planned.replaces),
            planned.kernel ? json_string(*planned.kernel) : "null");
        text_ += fmt::format("\"panel\": \"{}\", \"panel_from\": {}, ", name_of(planned.panel),
                             planned.panel_from.empty() ? "null" : json_string(planned.panel_from));
        if (!planned.gate.empty()) text_ += fmt::format("\"gate\": {}, ", json_string(planned.gate));
        text_ += fmt::format("\"cost\": {{\"int8_us\": {}, \"fp16_us\": {}", number(planned.cost.int8_us()),
                             number(planned.cost.fp16_us()));
        if (planned.cost.int8) side("int8", "quantize_us", *planned.cost.int8);
        if (planned.cost.fp16) side("fp16", "pack_us", *planned.cost.fp16);
        if (planned.cost.int4) side("int4", "quantize_us", *planned.cost.int4);
        text_ += fmt::format("}}, \"cost_source\": \"{}\"", name_of(planned.cost.source));
        if (const std::optional<LayerError>& error = planned.error) {
            text_ +=
                fmt::format(", \"error\": {{\"sqnr_db\": {}, \"cosine\": {}, \"smoothquant_alpha\": {}, \"int8\": {}}}",
                            error->sqnr_db, error->cosine, number(error->smoothquant_alpha), error->int8);
        }
        text_ += '}';
    }

    void side(std::string_view name, std::string_view input, const SideCost& cost) {
        text_ += fmt::format(
            ", \"{}\": {{\"{}\": {}, \"gemm_us\": {}, \"epilogue_us\": {}, \"conversion_us\": {}, "
            "\"bound\": \"{}\", \"isa\": \"{}\", \"measured\": {}}}",
            name, input, cost.input_us, cost.gemm_us, cost.epilogue_us, cost.conversion_us, name_of(cost.bound),
            name_of(cost.isa), cost.measured);
    }

    std::string text_;
};

}  // namespace

std::string to_json(const Plan& plan) {
    return to_json(std::span(&plan, 1));
}

std::string to_json(std::span<const Plan> plans) {
    JsonWriter writer;
    if (plans.size() != 1) writer.raw("[");
    for (std::size_t i = 0; i < plans.size(); ++i) {
        if (i > 0) writer.raw(",\n");
        writer.plan(plans[i]);
    }
    if (plans.size() != 1) writer.raw("]");
    writer.raw("\n");
    return writer.take();
}

}  // namespace octile
