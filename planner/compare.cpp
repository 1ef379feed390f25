#include <fmt/format.h>

#include <type_traits>
#include <unordered_map>
#include <utility>

#include "base/join.h"
#include "octile/plan.h"

namespace octile {
namespace {

std::string text_of(std::int64_t value) {
    return fmt::format("{}", value);
}
std::string text_of(double value) {
    return fmt::format("{}", value);
}
std::string text_of(bool value) {
    return value ? "true" : "false";
}
std::string text_of(const std::string& value) {
    return value;
}

template <typename Enum>
requires std::is_enum_v<Enum> std::string text_of(Enum value) {
    return std::string(name_of(value));
}

std::string text_of(const SideCost& cost) {
    return fmt::format("{} + {} + {} + {} us, {} on {}{}", cost.input_us, cost.gemm_us, cost.epilogue_us,
                       cost.conversion_us, name_of(cost.bound), name_of(cost.isa), cost.measured ? ", measured" : "");
}
std::string text_of(const LayerError& error) {
    return fmt::format("{} dB, cosine {}, {}{}", error.sqnr_db, error.cosine, error.int8 ? "int8" : "fp16",
                       error.smoothquant_alpha ? fmt::format(", alpha {}", *error.smoothquant_alpha) : "");
}
std::string text_of(const std::vector<FrontierPoint>& points) {
    return fmt::format("{} points", points.size());
}

std::string text_of(const std::vector<LeftOut>& tensors) {
    std::int64_t parameters = 0;
    for (const LeftOut& left : tensors)
        parameters += left.parameters;
    return fmt::format("{} tensors of {} parameters", tensors.size(), parameters);
}

template <typename T>
std::string text_of(const std::optional<T>& value) {
    return value ? text_of(*value) : "null";
}

std::string text_of(const std::vector<std::string>& values) {
    return fmt::format("[{}]", internal::join(values, ", "));
}

// Collects what differs between two plans, or between two versions of a layer.
class Differences {
  public:
    void field(std::string_view layer, std::string_view name, const auto& before, const auto& after) {
        if (before == after) return;
        list_.push_back({std::string(layer), std::string(name), text_of(before), text_of(after)});
    }

    void layer(const PlannedLayer& before, const PlannedLayer& after, bool same_min_ratio) {
        const std::string& name = after.layer.name;
        const Layer& old_layer = before.layer;
        const Layer& new_layer = after.layer;
        field(name, "op", old_layer.op, new_layer.op);
        field(name, "m", old_layer.m, new_layer.m);
        field(name, "k", old_layer.k, new_layer.k);
        field(name, "n", old_layer.n, new_layer.n);
        field(name, "count", old_layer.count, new_layer.count);
        field(name, "act", old_layer.activation, new_layer.activation);
        field(name, "bias", old_layer.bias, new_layer.bias);
        field(name, "inputs", old_layer.inputs, new_layer.inputs);
        field(name, "input_unknown", old_layer.input_unknown, new_layer.input_unknown);
        field(name, "assumed", old_layer.assumptions, new_layer.assumptions);
        field(name, "residual", old_layer.residual, new_layer.residual);
        field(name, "eps", old_layer.epsilon, new_layer.epsilon);
        field(name, "output_scale", old_layer.output_scale, new_layer.output_scale);
        field(name, "precision", before.precision, after.precision);
        field(name, "reason", before.reason, after.reason);
        // These three follow from others, and are news only where those are the same.
        const bool same_shape =
            old_layer.op == new_layer.op && old_layer.k == new_layer.k && old_layer.n == new_layer.n;
        if (same_shape) field(name, "ratio", before.ratio, after.ratio);
        if (same_shape && same_min_ratio && before.ratio == after.ratio) {
            field(name, "margin", before.margin, after.margin);
        }
        if (before.precision == after.precision) {
            field(name, "quantize_input", before.quantize_input, after.quantize_input);
            field(name, "panel", before.panel, after.panel);
            field(name, "panel_from", before.panel_from, after.panel_from);
        }
        field(name, "replaces", before.replaces, after.replaces);
        field(name, "kernel", before.kernel, after.kernel);
        field(name, "gate", before.gate, after.gate);
        side(name, "int8", before.cost.int8, after.cost.int8);
        side(name, "fp16", before.cost.fp16, after.cost.fp16);
        side(name, "int4", before.cost.int4, after.cost.int4);
        field(name, "cost_source", before.cost.source, after.cost.source);
        field(name, "error", before.error, after.error);
    }

    // The sum of one side; where that is the same, its parts.
    void side(std::string_view layer, std::string_view name, const std::optional<SideCost>& before,
              const std::optional<SideCost>& after) {
        if (before == after) return;
        const auto sum = [](const std::optional<SideCost>& cost) {
            return cost ? std::optional(cost->total_us()) : std::nullopt;
        };
        if (sum(before) != sum(after)) return field(layer, fmt::format("{}_us", name), sum(before), sum(after));
        field(layer, fmt::format("{}", name), before, after);
    }

    std::vector<PlanDifference> take() { return std::move(list_); }

  private:
    std::vector<PlanDifference> list_;
};

std::string describe(const PlannedLayer& layer) {
    return fmt::format("{} {}", fused_form(layer), name_of(layer.precision));
}

}  // namespace

std::vector<PlanDifference> compare(const Plan& before, const Plan& after) {
    Differences differences;
    differences.field("", "model", before.model, after.model);
    differences.field("", "policy", before.policy, after.policy);
    differences.field("", "min_ratio", before.min_ratio, after.min_ratio);
    differences.field("", "core", before.core, after.core);
    differences.field("", "threads", std::int64_t{before.threads}, std::int64_t{after.threads});
    differences.field("", "noise", before.noise, after.noise);
    differences.field("", "frontier", before.frontier, after.frontier);
    differences.field("", "parameters", before.parameters, after.parameters);
    differences.field("", "left_out", before.left_out, after.left_out);
    const bool same_min_ratio = before.min_ratio == after.min_ratio && before.noise == after.noise;

    // Names may repeat: the n-th layer of a name is compared with the n-th of that name.
    struct Rows {
        std::vector<std::size_t> rows;
        std::size_t matched = 0;
    };
    std::unordered_map<std::string_view, Rows> old_rows;
    for (std::size_t row = 0; row < before.layers.size(); ++row) {
        old_rows[before.layers[row].layer.name].rows.push_back(row);
    }
    std::vector<bool> matched(before.layers.size());
    std::vector<std::size_t> matches;  // rows of `before`, in the order of `after`
    for (std::size_t row = 0; row < after.layers.size(); ++row) {
        const PlannedLayer& layer = after.layers[row];
        const auto found = old_rows.find(layer.layer.name);
        if (found == old_rows.end() || found->second.matched == found->second.rows.size()) {
            differences.field(layer.layer.name, "layer", std::string(), describe(layer));
            continue;
        }
        const std::size_t old_row = found->second.rows[found->second.matched++];
        matched[old_row] = true;
        matches.push_back(old_row);
        differences.layer(before.layers[old_row], layer, same_min_ratio);
    }
    std::vector<std::size_t> place(before.layers.size());  // among the layers that both plans have
    std::size_t places = 0;
    for (std::size_t row = 0; row < before.layers.size(); ++row) {
        place[row] = places;
        if (matched[row]) {
            ++places;
        } else {
            differences.field(before.layers[row].layer.name, "layer", describe(before.layers[row]), std::string());
        }
    }
    for (std::size_t i = 0; i < matches.size(); ++i) {
        if (place[matches[i]] == i) continue;
        differences.field(before.layers[matches[i]].layer.name, "position",
                          static_cast<std::int64_t>(place[matches[i]] + 1), static_cast<std::int64_t>(i + 1));
        break;  // one layer that moved shifts others: the first says enough
    }
    return differences.take();
}

std::string to_text(const PlanDifference& difference) {
    const auto shown = [](const std::string& value) { return value.empty() ? std::string_view("(none)") : value; };
    const std::string_view layer = difference.layer.empty() ? std::string_view("plan") : difference.layer;
    return fmt::format("{}: {}: {} -> {}", layer, difference.field, shown(difference.before), shown(difference.after));
}

}  // namespace octile
