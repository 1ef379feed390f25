#include <fmt/format.h>

#include "base/join.h"
#include "octile/plan.h"

namespace octile {

std::string fused_form(const PlannedLayer& planned) {
    const Layer& layer = planned.layer;
    switch (layer.op) {
        case Op::kLayerNorm:
            if (layer.epsilon) return fmt::format("FusedLayerNorm({}, eps={})", layer.n, *layer.epsilon);
            return fmt::format("FusedLayerNorm({})", layer.n);
        case Op::kActivation:
            return fmt::format("Activation({}, act={})", layer.n, name_of(layer.activation));
        case Op::kAdd:
            return fmt::format("Add({})", layer.n);
        case Op::kOther:
            return fmt::format("Other({})", layer.n);
        case Op::kLinear:
            break;
    }
    const std::string_view residual = layer.residual.empty() ? "" : ", residual";
    if (layer.activation == Activation::kNone) return fmt::format("FusedLinear({}→{}{})", layer.k, layer.n, residual);
    return fmt::format("FusedLinearAct({}→{}, act={}{})", layer.k, layer.n, name_of(layer.activation), residual);
}

std::string to_text(const PlanSummary& summary) {
    std::string text =
        fmt::format("{} linear{}: {} INT8, {}{} FP16 (", summary.linears, summary.linears == 1 ? "" : "s", summary.int8,
                    summary.int4 > 0 ? fmt::format("{} INT4, ", summary.int4) : "", summary.fp16);
    const bool ratio = summary.left_by_cost == 0 && summary.left_by_accuracy == 0;
    if (summary.left_by_ratio > 0 || ratio) text += fmt::format("ratio {}, ", summary.left_by_ratio);
    if (summary.left_by_cost > 0) text += fmt::format("cost {}, ", summary.left_by_cost);
    if (summary.left_by_accuracy > 0) text += fmt::format("accuracy {}, ", summary.left_by_accuracy);
    text += fmt::format("explicit skip {}, no kernel {}", summary.left_by_skip, summary.left_no_kernel);
    if (summary.left_by_force > 0) text += fmt::format(", forced {}", summary.left_by_force);
    return text + ")";
}

std::string to_text(const Plan& plan) {
    std::string text;
    text += fmt::format("plan {} policy={} min_ratio={}", plan.model, name_of(plan.policy), plan.min_ratio);
    if (!plan.core.empty()) {
        text += fmt::format(" core={} threads={} noise={}", plan.core, plan.threads, plan.noise);
    }
    text += '\n';
    for (const PlannedLayer& planned : plan.layers) {
        const Layer& layer = planned.layer;
        text += fmt::format("{}: {} m={} count={} {} {}", layer.name, fused_form(planned), layer.m, layer.count,
                            name_of(planned.precision), name_of(planned.reason));
        if (planned.ratio) text += fmt::format(" ratio={:.6g}", *planned.ratio);
        if (layer.bias) text += " bias";
        if (planned.quantize_input) text += " quantize_input";
        if (!planned.gate.empty()) text += fmt::format(" gate={}", planned.gate);
        if (!planned.panel_from.empty()) {
            text += fmt::format(" panel={}:{}", name_of(planned.panel), planned.panel_from);
        }
        if (const auto int8 = planned.cost.int8_us(), fp16 = planned.cost.fp16_us(); int8 && fp16) {
            text += fmt::format(" int8={:.4g}us fp16={:.4g}us", *int8, *fp16);
            if (const auto int4 = planned.cost.int4_us()) text += fmt::format(" int4={:.4g}us", *int4);
            text += fmt::format(" {}", name_of(planned.cost.source));
        }
        if (planned.error) text += fmt::format(" sqnr={:.1f}dB", planned.error->sqnr_db);
        if (layer.input_unknown) text += " inputs=unknown";
        if (!layer.inputs.empty()) text += fmt::format(" inputs={}", internal::join(layer.inputs, ","));
        if (!layer.residual.empty()) text += fmt::format(" residual={}", layer.residual);
        if (planned.replaces.size() > 1) text += fmt::format(" replaces={}", internal::join(planned.replaces, ","));
        if (planned.kernel) text += fmt::format(" kernel={}", *planned.kernel);
        if (!layer.assumptions.empty()) text += fmt::format(" assumed={}", internal::join(layer.assumptions, "; "));
        text += '\n';
    }
    return text + to_text(summarize(plan)) + '\n';
}

}  // namespace octile
