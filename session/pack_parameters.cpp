#include <fmt/format.h>

#include <new>
#include <vector>

#include "base/printable.h"
#include "octile/graph.h"
#include "session/fused_linears.h"
#include "session/graph_shapes.h"
#include "session/tensors.h"

namespace octile {
namespace {

using internal::quote;

class Packer {
  public:
    Packer(const Graph& graph, const TensorLookup& lookup, IsaSet isas) : graph_(graph), lookup_(lookup), isas_(isas) {}

    Result<Parameters> run(const FusedLinears& fused, const GraphValues& values) {
        for (const auto& [name, linear] : fused.linears)
            if (linear.node->shared.empty())
                if (Status status = add_linear(linear, values.at(linear.node->inputs[0]).features); !status.ok())
                    return status;
        for (const TensorUse& use : tensors_of(graph_))
            if (Status status = add_tensor(use); !status.ok()) return status;
        return std::move(parameters_);
    }

  private:
    static Status at(const Node& node, const Status& status) {
        return {status.code(), fmt::format("node {}: {}", quote(node.name), status.message())};
    }

    Result<TensorSource> find(const TensorUse& use) const {
        std::optional<TensorSource> tensor = lookup_(use.tensor);
        if (Status status = check_tensor(use, tensor ? &tensor->view : nullptr); !status.ok()) return status;
        return *std::move(tensor);
    }

    struct Source {
        TensorSource weight;
        std::vector<float> bias;
    };
    Result<Source> source_of(const Node& node, std::int64_t k) const {
        Source source;
        Result<TensorSource> weight = find({&node, node.weight, node.features, k});
        if (!weight.ok()) return weight.status();
        source.weight = std::move(weight).value();
        if (node.bias.empty()) return source;
        const Result<TensorSource> bias = find({&node, node.bias, 1, node.features});
        if (!bias.ok()) return bias.status();
        source.bias = floats_of(bias->view);
        return source;
    }

    Status add_linear(const FusedLinear& linear, std::int64_t k) {
        const Result<Source> own = source_of(*linear.node, k);
        if (!own.ok()) return own.status();
        Result<Source> gate = linear.gate ? source_of(*linear.gate, k) : Source{};
        if (!gate.ok()) return gate.status();
        Result<Linear> packed = linear.gate ? Linear::pack_gated(gate->weight.view, gate->bias, own->weight.view,
                                                                 own->bias, linear.options, isas_)
                                            : Linear::pack(own->weight.view, own->bias, linear.options, isas_);
        if (!packed.ok()) return at(*linear.node, packed.status());
        parameters_.add_linear(linear.node->name, std::move(packed).value());
        return {};
    }

    Status add_tensor(const TensorUse& use) {
        if (parameters_.tensor(use.tensor)) return {};
        Result<TensorSource> tensor = find(use);
        if (!tensor.ok()) return tensor.status();
        parameters_.add_tensor(std::string(use.tensor), tensor->view, std::move(tensor->owner));
        return {};
    }

    const Graph& graph_;
    const TensorLookup& lookup_;
    IsaSet isas_;
    Parameters parameters_;
};

}  // namespace

Result<Parameters> pack_parameters(const Graph& graph, const Plan& plan, const TensorLookup& lookup, IsaSet isas) {
    const Result<GraphValues> values = values_of(graph);
    if (!values.ok()) return values.status();
    const GraphReaders readers(graph);
    const Result<FusedLinears> fused = fuse_linears(graph, readers, plan);
    if (!fused.ok()) return fused.status();
    try {
        return Packer(graph, lookup, isas).run(fused.value(), values.value());
    } catch (const std::bad_alloc&) {
        return Status(StatusCode::kOutOfMemory, "no memory for the parameters of " + quote(graph.name));
    }
}

}  // namespace octile
