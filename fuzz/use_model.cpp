#include "fuzz/use_model.h"

#include <algorithm>

#include "fuzz/require.h"
#include "inputs/checkpoint_lookup.h"
#include "inputs/linear_tensors.h"
#include "octile/core.h"
#include "octile/planner.h"

namespace octile::fuzz {

void use(const Plan& plan) {
    const std::string json = to_json(plan);
    const Result<Plan> again = plan_from_json(json);
    require(again.ok() && again.value() == plan, "a plan's JSON is another plan: " + again.status().message());
    (void)to_text(plan);
    (void)to_text(summarize(plan));
    for (const PlannedLayer& planned : plan.layers)
        (void)fused_form(planned);
    (void)compare(plan, again.value());
}

void plan(const Model& model) {
    static const Core core = find_core("neoverse-n2").value();
    for (const PlanOptions& options :
         {PlanOptions{}, PlanOptions{.policy = Policy::kCost, .core = core, .threads = 3}}) {
        const Result<Plan> made = make_plan(model, options);
        if (went_well(made)) use(made.value());
    }
}

void use(const Graph& graph) {
    const Result<Graph> again = graph_from_json(to_json(graph));
    require(again.ok() && again.value() == graph, "a graph's JSON is another graph: " + again.status().message());
    const Model model = layers_of(graph, 16);
    require(make_plan(model, {}).ok(), "a valid graph has no plan");
    plan(model);
}

void use(const Checkpoint& checkpoint) {
    std::size_t sum = 0, bytes = 0;
    for (const TensorInfo* tensor : checkpoint.tensors()) {
        for (const std::byte byte : tensor->data)
            sum += static_cast<std::size_t>(byte);
        bytes += tensor->data.size();
    }
    require(sum <= bytes * 255, "a sum of bytes");
    const TensorLookup lookup = lookup_in(checkpoint);
    for (const TensorInfo* tensor : checkpoint.tensors())
        (void)lookup(tensor->name);
}

void use(const LinearTensors& tensors) {
    constexpr std::int64_t kRows = 64;
    for (const LinearTensor& tensor : tensors.layers) {
        for (std::int64_t first = 0; first < tensor.weight.n; first += kRows) {
            const WeightMatrix rows = tensor.weight.rows(first, std::min(kRows, tensor.weight.n - first));
            require(values_of(rows).size() == static_cast<std::size_t>(rows.n * rows.k), "weights of another shape");
            if (rows.is_int8()) (void)int8_rows_of(rows);
        }
    }
}

}  // namespace octile::fuzz
