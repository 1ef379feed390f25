#include "octile/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "planner/cost_model.h"
#include "planner/network.h"
#include "planner/overrides.h"
#include "planner/precision.h"
#include "planner/validate.h"

namespace octile {
namespace {

Status validate_number(std::string_view name, double value) {
    if (std::isfinite(value) && value >= 0) return {};
    return {StatusCode::kInvalidArgument, fmt::format("{}: expected a finite number >= 0, found {}", name, value)};
}

Status validate_numbers(const PlanOptions& options) {
    if (Status status = validate_number("min-ratio", options.min_ratio); !status.ok()) return status;
    if (Status status = validate_number("noise", options.noise); !status.ok()) return status;
    if (options.threads < 1 || options.threads > kMaxThreads) {
        return {StatusCode::kInvalidArgument,
                fmt::format("threads: expected 1 to {}, found {}", kMaxThreads, options.threads)};
    }
    if (options.policy == Policy::kCost && !options.core) {
        return {StatusCode::kInvalidArgument, "core: expected a core for policy cost, found none"};
    }
    return {};
}

Status validate_errors(const PlanOptions& options, std::size_t layers) {
    if (options.errors.size() == layers) return {};
    if (options.errors.empty() && options.policy != Policy::kAccuracy) return {};
    return {StatusCode::kInvalidArgument,
            fmt::format("errors: expected one for each of {} layers, found {}", layers, options.errors.size())};
}

PlannedLayer plan_layer(FusedRow row, const Choice& choice, const PlanOptions& options) {
    PlannedLayer planned;
    planned.precision = choice.precision;
    planned.reason = choice.reason;
    planned.quantize_input = is_quantized(choice.precision);
    if (row.layer.op == Op::kLinear) {
        planned.ratio = ratio_of(row.layer.k, row.layer.n);
        if (options.policy == Policy::kRatio) planned.margin = *planned.ratio - options.min_ratio;
        if (!options.errors.empty()) planned.error = options.errors[row.row];
    }
    planned.layer = std::move(row.layer);
    planned.layer.weights = WeightForm::kFloat;  // the reason says it now
    planned.replaces = std::move(row.replaces);
    return planned;
}

// Where each linear of a group that quantizes its input, INT8 or INT4, finds it.
void assign_panels(const PanelGroup& group, std::vector<PlannedLayer>& layers) {
    const PlannedLayer* first = nullptr;
    for (const std::size_t row : group.linears) {
        PlannedLayer& planned = layers[row];
        if (!is_quantized(planned.precision)) continue;
        const auto from = [&](InputPanel panel, const PlannedLayer& writer) {
            planned.panel = panel;
            planned.panel_from = writer.layer.name;
        };
        if (group.norm) {
            from(InputPanel::kNorm, layers[*group.norm]);
        } else if (group.producer && is_quantized(layers[*group.producer].precision)) {
            from(InputPanel::kChain, layers[*group.producer]);
        } else if (first != nullptr) {
            from(InputPanel::kShared, *first);
        } else {
            planned.panel = InputPanel::kOwn;
            first = &planned;
        }
    }
}

// Two linears of the same input and width, one with an activation, that a third reads and nobody else: their product is
// what it reads, so that the one without an activation can multiply by the other's output before it stores its own.
void assign_gates(const Network& network, std::vector<PlannedLayer>& layers) {
    std::vector<std::size_t> readers(layers.size());
    for (const FusedRow& row : network.rows) {
        for (const std::size_t source : row.sources)
            ++readers[source];
    }
    for (const FusedRow& row : network.rows) {
        if (row.layer.op != Op::kLinear || row.sources.size() != 2) continue;
        const auto [first, second] = std::minmax(row.sources[0], row.sources[1]);
        if (network.group_of[first] == network.groups.size() || network.group_of[first] != network.group_of[second])
            continue;
        const Layer &a = layers[first].layer, &b = layers[second].layer;
        const bool one_activation = (a.activation == Activation::kNone) != (b.activation == Activation::kNone);
        if (!one_activation || a.n != b.n || a.n != row.layer.k || readers[first] != 1 || readers[second] != 1)
            continue;
        // The gate has to be there when the other stores.
        if (a.activation != Activation::kNone) layers[second].gate = a.name;
    }
}

void add_costs(const Network& network, const PlanOptions& options, std::span<const Choice> choices, Plan& plan) {
    const CostModel model(*options.core, options.threads);
    std::vector<Choice> group_choices;
    for (const PanelGroup& group : network.groups) {
        group_choices.clear();
        for (const std::size_t row : group.linears)
            group_choices.push_back(choices[row]);
        const std::vector<Cost> costs = group_costs(network, group, model, options, choices).costs(group_choices);
        for (std::size_t i = 0; i < group.linears.size(); ++i) {
            PlannedLayer& planned = plan.layers[group.linears[i]];
            planned.cost = costs[i];
            if (options.policy == Policy::kCost)
                planned.margin = cost_margin(planned.cost, options.noise, options.core->call_us);
        }
    }
}

}  // namespace

Status validate(const PlanOptions& options) {
    if (Status status = validate_numbers(options); !status.ok()) return status;
    return Overrides::compile(options).status();
}

Result<Plan> make_plan(const Model& model, const PlanOptions& options, std::vector<std::string>* notes) {
    if (Status status = validate_numbers(options); !status.ok()) return status;
    Result<Overrides> overrides = Overrides::compile(options);
    if (!overrides.ok()) return overrides.status();
    if (Status status = validate_name("model", model.name); !status.ok()) return status;
    if (Status status = validate_errors(options, model.layers.size()); !status.ok()) return status;
    // Fusion first: a linear is chosen, named and matched as what it has become.
    Result<Network> network = prepare(model);
    if (!network.ok()) return network.status();
    const std::vector<Override> wanted = match_all(overrides.value(), network.value());
    const std::vector<Choice> choices = choose_all(network.value(), options, wanted);

    Plan plan{.model = model.name, .policy = options.policy, .min_ratio = options.min_ratio};
    plan.parameters = model.parameters;
    plan.left_out = model.left_out;
    if (options.core) {
        plan.core = options.core->name;
        plan.threads = std::min(options.threads, options.core->cores);
        plan.noise = options.noise;
    }
    plan.layers.reserve(choices.size());
    // Costs look at the rows that are about to be moved.
    std::vector<FusedRow> rows = network->rows;
    for (std::size_t row = 0; row < choices.size(); ++row)
        plan.layers.push_back(plan_layer(std::move(rows[row]), choices[row], options));
    for (const PanelGroup& group : network->groups)
        assign_panels(group, plan.layers);
    assign_gates(network.value(), plan.layers);
    if (options.core) add_costs(network.value(), options, choices, plan);
    // A reader that has left something out for `skip` has used it.
    const bool skip_used = std::any_of(model.left_out.begin(), model.left_out.end(),
                                       [](const LeftOut& left) { return left.reason == LeftOutReason::kUser; });
    if (notes != nullptr) *notes = overrides->unused(skip_used);
    return plan;
}

}  // namespace octile
