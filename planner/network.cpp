#include "planner/network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "planner/infer_inputs.h"
#include "planner/validate.h"

namespace octile {
namespace {

bool has_levels(const Choice& choice) {
    return is_quantized(choice.precision);
}

Choice choose_by_error(const Layer& layer, const std::optional<LayerError>& error, const Override& wanted) {
    if (layer.op != Op::kLinear) return {Precision::kFp16, Reason::kNotALinear};
    if (const std::optional<Choice> forced = forced_choice(layer, wanted)) return *forced;
    const bool int8 = error && error->int8;
    return within_kernels(layer, int8 ? Choice{Precision::kInt8, Reason::kWithinBudget}
                                      : Choice{Precision::kFp16, Reason::kAccuracyBudget});
}

void choose_by_cost(const Network& network, const CostModel& model, const PlanOptions& options,
                    std::span<const Override> wanted, std::vector<Choice>& choices) {
    std::vector<Override> group_wanted;
    for (const PanelGroup& group : network.groups) {
        group_wanted.clear();
        for (const std::size_t row : group.linears)
            group_wanted.push_back(wanted[row]);
        const std::vector<Choice> chosen = group_costs(network, group, model, options, choices).choose(group_wanted);
        for (std::size_t i = 0; i < chosen.size(); ++i)
            choices[group.linears[i]] = chosen[i];
    }
}

}  // namespace

Result<Network> prepare(const Model& model) {
    Result<Edges> edges = resolve_inputs(model.layers);
    if (!edges.ok()) return edges.status();
    std::vector<Layer> layers = model.layers;
    infer_inputs(layers, edges.value());

    Network network;
    network.rows = fuse(layers, edges.value());
    network.groups = group_panels(network.rows);
    network.group_of.assign(network.rows.size(), network.groups.size());
    for (std::size_t g = 0; g < network.groups.size(); ++g) {
        for (const std::size_t row : network.groups[g].linears)
            network.group_of[row] = g;
        if (const std::optional<std::size_t> producer = network.groups[g].producer) {
            network.chains.resize(network.rows.size());
            network.chains[*producer].push_back(g);
        }
    }
    return network;
}

std::vector<Override> match_all(Overrides& overrides, const Network& network) {
    std::vector<Override> wanted;
    for (const FusedRow& row : network.rows) {
        if (row.layer.op != Op::kLinear) {
            wanted.emplace_back();
            continue;
        }
        wanted.push_back(overrides.match(row.layer.name));
    }
    return wanted;
}

GroupCosts group_costs(const Network& network, const PanelGroup& group, const CostModel& model,
                       const PlanOptions& options, std::span<const Choice> choices, std::optional<std::int64_t> m) {
    GroupSetting setting;
    setting.panel_is_free = group.norm || (group.producer && has_levels(choices[*group.producer]));
    std::vector<Layer> linears;
    for (const std::size_t row : group.linears) {
        Layer& linear = linears.emplace_back(network.rows[row].layer);
        if (m) linear.m = *m;
        if (network.chains.empty()) continue;
        // INT8 neighbours behind an FP16 linear have to quantize what an INT8 one would have handed them.
        double conversion = 0;
        for (const std::size_t g : network.chains[row]) {
            const std::vector<std::size_t>& readers = network.groups[g].linears;
            if (std::any_of(readers.begin(), readers.end(),
                            [&](std::size_t reader) { return has_levels(choices[reader]); }))
                conversion += model.convert_us(linear.m, linear.n);
        }
        setting.conversion_us.push_back(conversion);
    }
    return GroupCosts(model, options, std::move(linears), std::move(setting));
}

std::vector<Choice> choose_all(const Network& network, const PlanOptions& options, std::span<const Override> wanted) {
    OCTILE_CHECK_EQ(wanted.size(), network.rows.size());
    std::vector<Choice> choices;
    for (std::size_t i = 0; i < network.rows.size(); ++i) {
        const FusedRow& row = network.rows[i];
        switch (options.policy) {
            case Policy::kRatio:
                choices.push_back(choose_precision(row.layer, options.min_ratio, wanted[i]));
                break;
            case Policy::kAccuracy:
                choices.push_back(choose_by_error(row.layer, options.errors[row.row], wanted[i]));
                break;
            case Policy::kCost:
                choices.push_back({Precision::kFp16, Reason::kNotALinear});
                break;
        }
    }
    if (options.policy != Policy::kCost) return choices;

    const CostModel model(*options.core, options.threads);
    choose_by_cost(network, model, options, wanted, choices);
    // What a linear costs its INT8 neighbours is known once they have been chosen: the first round takes every linear
    // for FP16 and so counts no conversions.
    if (!network.chains.empty()) choose_by_cost(network, model, options, wanted, choices);
    return choices;
}

}  // namespace octile
