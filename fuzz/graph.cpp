#include "octile/graph.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/require.h"
#include "fuzz/run_model.h"
#include "fuzz/use_model.h"
#include "octile/parameters.h"
#include "octile/planner.h"

namespace octile::fuzz {
namespace {

// Tensors of the shapes that the graph says, as far as they are small.
class ConstantTensors {
  public:
    explicit ConstantTensors(const Graph& graph) {
        std::map<std::string, std::int64_t, std::less<>> features;
        for (const GraphInput& input : graph.inputs)
            features[input.name] = input.features;
        for (const Node& node : graph.nodes) {
            features[node.name] = node.features;
            for (const EmbeddingTable& table : node.tables)
                add(table.tensor, table.rows, node.features);
            if (node.distance_bias) add(node.distance_bias->tensor, node.distance_bias->buckets, node.heads);
            if (node.op == NodeOp::kLinear) {
                add(node.weight, node.features, features[node.inputs.front()]);
            } else {
                add(node.weight, 1, node.features / node.heads);
            }
            add(node.bias, 1, node.features);
        }
    }

    TensorLookup lookup() const {
        return [this](std::string_view name) -> std::optional<TensorSource> {
            const auto found = matrices_.find(name);
            if (found == matrices_.end()) return std::nullopt;
            const Matrix& matrix = found->second;
            return TensorSource{{matrix.values.data(), DataType::kF32, matrix.rows, matrix.columns, matrix.columns},
                                {}};
        };
    }

  private:
    struct Matrix {
        std::int64_t rows, columns;
        std::vector<float> values;
    };

    void add(const std::string& name, std::int64_t rows, std::int64_t columns) {
        constexpr std::int64_t kLargest = 100'000;
        if (name.empty() || columns < 1 || rows > kLargest / columns) return;
        matrices_.try_emplace(
            name, Matrix{rows, columns, std::vector<float>(static_cast<std::size_t>(rows * columns), 0.25f)});
    }

    std::map<std::string, Matrix, std::less<>> matrices_;
};

}  // namespace

// A graph, planned, packed and run with tensors of its own shapes.
void read_graph(std::string_view input) {
    const Result<Graph> graph = graph_from_json(input);
    if (!went_well(graph)) return;
    use(graph.value());
    const ConstantTensors tensors(graph.value());
    const Result<Plan> plan = make_plan(layers_of(graph.value(), 16), {.min_ratio = 5});
    require(plan.ok(), "a valid graph has no plan: " + plan.status().message());
    Result<Parameters> parameters =
        pack_parameters(graph.value(), plan.value(), tensors.lookup(), usable_isas().value());
    if (!went_well(parameters)) return;
    run(graph.value(), plan.value(), std::make_shared<Parameters>(std::move(parameters).value()));
}

}  // namespace octile::fuzz
