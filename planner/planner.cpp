#include "octile/planner.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "planner/fusion.h"
#include "planner/overrides.h"
#include "planner/precision.h"
#include "planner/validate.h"

namespace octile {
namespace {

Status validate_min_ratio(double min_ratio) {
    if (std::isfinite(min_ratio) && min_ratio >= 0) return {};
    return {StatusCode::kInvalidArgument, fmt::format("min-ratio: expected a finite number >= 0, found {}", min_ratio)};
}

PlannedLayer plan_layer(FusedRow row, const Choice& choice, double min_ratio) {
    PlannedLayer planned;
    planned.precision = choice.precision;
    planned.reason = choice.reason;
    planned.quantize_input = choice.precision == Precision::kInt8;
    if (row.layer.op == Op::kLinear) {
        planned.ratio = ratio_of(row.layer.k, row.layer.n);
        planned.margin = *planned.ratio - min_ratio;
    }
    planned.layer = std::move(row.layer);
    planned.layer.weights = WeightForm::kFloat;  // the reason says it now
    planned.replaces = std::move(row.replaces);
    return planned;
}

}  // namespace

Status validate(const PlanOptions& options) {
    if (Status status = validate_min_ratio(options.min_ratio); !status.ok()) return status;
    return Overrides::compile(options).status();
}

Result<Plan> make_plan(const Model& model, const PlanOptions& options, std::vector<std::string>* notes) {
    if (Status status = validate_min_ratio(options.min_ratio); !status.ok()) return status;
    Result<Overrides> overrides = Overrides::compile(options);
    if (!overrides.ok()) return overrides.status();
    if (Status status = validate_name("model", model.name); !status.ok()) return status;
    Result<Edges> edges = resolve_inputs(model.layers);
    if (!edges.ok()) return edges.status();

    Plan plan{.model = model.name, .policy = options.policy, .min_ratio = options.min_ratio, .layers = {}};
    // Fusion first: a linear is chosen, named and matched as what it has become.
    std::vector<FusedRow> rows = fuse(model.layers, edges.value());
    plan.layers.reserve(rows.size());
    for (FusedRow& row : rows) {
        Override wanted;
        if (row.layer.op == Op::kLinear) {
            Result<Override> matched = overrides->match(row.layer.name);
            if (!matched.ok()) return matched.status();
            wanted = matched.value();
        }
        const Choice choice = choose_precision(row.layer, options.min_ratio, wanted);
        plan.layers.push_back(plan_layer(std::move(row), choice, options.min_ratio));
    }
    if (notes != nullptr) *notes = overrides->unused();
    return plan;
}

}  // namespace octile
