#include "session/fused_linears.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "session/graph_shapes.h"

namespace octile {
namespace {

using internal::quote;

class Fuser {
  public:
    Fuser(const Graph& graph, const GraphReaders& readers, const Plan& plan) : graph_(graph), readers_(readers) {
        for (const PlannedLayer& layer : plan.layers)
            planned_[layer.layer.name] = &layer;
    }

    Result<FusedLinears> run() {
        const Result<GraphValues> values = values_of(graph_);
        if (!values.ok()) return values.status();
        for (const Node& node : graph_.nodes) {
            if (node.op != NodeOp::kLinear) continue;
            const auto found = planned_.find(node.name);
            if (found == planned_.end()) return fail(node, "expected a layer of the plan with this name, found none");
            const Layer& layer = found->second->layer;
            const std::int64_t k = values->at(node.inputs[0]).features;
            if (layer.op != Op::kLinear || layer.k != k || layer.n != node.features) {
                return fail(node, fmt::format("expected a linear from {} to {} features in the plan, found {} {} to {}",
                                              k, node.features, name_of(layer.op), layer.k, layer.n));
            }
            if (Status status = fuse(node, *found->second); !status.ok()) return status;
        }
        for (const auto& [name, linear] : result_.linears)
            if (Status status = check_shared(linear); !status.ok()) return status;
        // Pointers into a map stay; those of pairs are known only now.
        for (auto& [name, linear] : result_.linears)
            absorb(linear);
        return std::move(result_);
    }

  private:
    static Status fail(const Node& node, std::string_view text) {
        return Status(StatusCode::kInvalidArgument, fmt::format("node {}: {}", quote(node.name), text));
    }

    Status fuse(const Node& node, const PlannedLayer& planned) {
        FusedLinear linear;
        linear.node = linear.last = &node;
        linear.options.precision = planned.precision;
        if (planned.panel == InputPanel::kChain && is_quantized(planned.precision)) {
            const auto writer = planned_.find(planned.panel_from);
            if (writer == planned_.end() || !writer->second->layer.output_scale)
                return fail(node, fmt::format("expected an output scale of {}", quote(planned.panel_from)));
            linear.options.input_scaling = InputScaling::kStatic;
            linear.options.input_scale = static_cast<float>(*writer->second->layer.output_scale);
        }
        if (!planned.gate.empty()) {
            const Node* gate = readers_.node(planned.gate);
            const Node* product = readers_.only_reader(node.name);
            const bool fits = gate && product && product->op == NodeOp::kGate && product->inputs[0] == planned.gate &&
                              readers_.is_gated_pair(*product) && result_.linears.contains(planned.gate);
            if (!fits)
                return fail(node, fmt::format("expected a gate node of {}, as the plan has", quote(planned.gate)));
            const FusedLinear& other = result_.linears.at(planned.gate);
            const bool alike = other.options.precision == linear.options.precision &&
                               other.options.input_scaling == linear.options.input_scaling &&
                               other.options.input_scale == linear.options.input_scale;
            if (alike) {
                linear.gate = gate;
                linear.last = product;
                linear.options.activation = other.options.activation;
                result_.linears.erase(planned.gate);
            }
            result_.linears.emplace(node.name, std::move(linear));
            return {};
        }
        if (Status status = take_activation(linear, planned.layer.activation); !status.ok()) return status;
        if (!planned.layer.residual.empty()) {
            const Node* sum = readers_.only_reader(linear.last->name);
            if (!sum || sum->op != NodeOp::kAdd) return fail(node, "expected a node behind it that adds the residual");
            const std::string& other = sum->inputs[sum->inputs[0] == linear.last->name ? 1 : 0];
            // A sum may be there before its own place, from the linear that it was fused into.
            const auto early = ready_.find(other);
            const std::ptrdiff_t ready = early == ready_.end() ? readers_.place_of(other) : early->second;
            if (ready > readers_.place_of(node.name))
                return fail(node, fmt::format("expected the residual {} above it", quote(other)));
            linear.residual = other;
            linear.last = sum;
        }
        ready_[linear.last->name] = readers_.place_of(node.name);
        result_.linears.emplace(node.name, std::move(linear));
        return {};
    }

    // One set of packed weights has one precision, one activation and one way to quantize rows.
    Status check_shared(const FusedLinear& linear) const {
        const Node& node = *linear.node;
        if (node.shared.empty()) return {};
        const auto owner = result_.linears.find(node.shared);
        const bool alike = owner != result_.linears.end() && !owner->second.gate && !linear.gate &&
                           owner->second.options.precision == linear.options.precision &&
                           owner->second.options.activation == linear.options.activation &&
                           owner->second.options.input_scaling == linear.options.input_scaling &&
                           owner->second.options.input_scale == linear.options.input_scale;
        if (alike) return {};
        return fail(node, fmt::format("expected to be planned as {} is, whose weights it shares, found another "
                                      "precision or activation",
                                      quote(node.shared)));
    }

    Status take_activation(FusedLinear& linear, Activation activation) {
        linear.options.activation = activation;
        if (activation == Activation::kNone) return {};
        const Node* reader = readers_.only_reader(linear.node->name);
        if (reader && reader->op == NodeOp::kActivation && reader->activation == activation) {
            linear.last = reader;
            return {};
        }
        if (reader && reader->activation == activation && reader->inputs[0] == linear.node->name &&
            readers_.is_gated_pair(*reader)) {
            linear.activated_for_gate = true;
            return {};
        }
        return fail(*linear.node, fmt::format("expected the activation {} behind it, as the plan has, found none",
                                              name_of(activation)));
    }

    void absorb(const FusedLinear& linear) {
        if (linear.gate) result_.absorbed[linear.gate->name] = &linear;
        for (const Node* node = linear.node; node != linear.last;) {
            node = readers_.only_reader(node->name);
            result_.absorbed[node->name] = &linear;
        }
    }

    const Graph& graph_;
    const GraphReaders& readers_;
    std::map<std::string_view, const PlannedLayer*> planned_;
    std::map<std::string_view, std::ptrdiff_t> ready_;  // values that linears yield: the linear's place
    FusedLinears result_;
};

}  // namespace

Result<FusedLinears> fuse_linears(const Graph& graph, const GraphReaders& readers, const Plan& plan) {
    return Fuser(graph, readers, plan).run();
}

}  // namespace octile
