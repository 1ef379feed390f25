#include "session/compile.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "runtime/matrix.h"
#include "session/fused_linears.h"
#include "session/graph_shapes.h"

namespace octile {
namespace {

using internal::quote;

Status at_node(const Node& node, const Status& status) {
    if (status.message().starts_with("node ")) return status;
    return {status.code(), fmt::format("node {}: {}", quote(node.name), status.message())};
}

// Rows packed from one value in one way, from the step that packs them to the last linear that reads them.
struct Packed {
    std::size_t first = 0, last = 0;
    std::vector<const Linear*> readers;
    int slot = 0;
};

class Compiler {
  public:
    Compiler(StepContext& context, const FusedLinears& fused, const GraphValues& shapes)
        : context_(context), graph_(context.graph), fused_(fused), shapes_(shapes) {}

    Result<CompiledSession> run() {
        if (Status status = order_steps(); !status.ok()) return status;
        for (std::size_t i = 0; i < graph_.inputs.size(); i++)
            if (graph_.inputs[i].features > 0) add_value(graph_.inputs[i].name, SessionValue::Home::kInput, i);
        for (std::size_t step = 0; step < order_.size(); step++)
            if (Status status = declare(step); !status.ok()) return status;
        assign_slots();
        for (std::size_t step = 0; step < order_.size(); step++)
            if (Status status = build(step); !status.ok()) return at_node(*order_[step].node, status);
        place_values();
        return std::move(result_);
    }

  private:
    struct Ordered {
        const Node* node = nullptr;          // a packed linear's, or the node itself
        const Node* last = nullptr;          // whose value it yields
        const FusedLinear* fused = nullptr;  // of a linear
        const Linear* linear = nullptr;
        Packed* packed = nullptr;  // the rows that a linear reads, or a norm writes
        bool packs = false;
        bool yields = true;  // somebody reads its value, not only its rows
    };

    // A node behind each other that it reads, the nodes that linears stand for left out.
    Status order_steps() {
        for (const Node& node : graph_.nodes) {
            if (fused_.absorbed.contains(node.name)) continue;
            Ordered step{&node, &node};
            if (node.op == NodeOp::kLinear) {
                step.fused = &fused_.linears.at(node.name);
                step.last = step.fused->last;
                step.linear = context_.parameters.linear(packed_name(node));
                if (Status status = check_linear(*step.fused, step.linear); !status.ok()) return status;
            }
            order_.push_back(step);
        }
        return {};
    }

    Status check_linear(const FusedLinear& fused, const Linear* linear) const {
        const std::int64_t k = shapes_.at(fused.node->inputs[0]).features, n = fused.node->features;
        const auto describe = [](bool gated, std::int64_t columns, std::int64_t rows, Precision precision,
                                 Activation activation) {
            return fmt::format("a {}linear of {} from {} to {} features with activation {}", gated ? "gated " : "",
                               name_of(precision), columns, rows, name_of(activation));
        };
        const std::string expected =
            describe(fused.gate != nullptr, k, n, fused.options.precision, fused.options.activation);
        std::string found = "none";
        if (linear) {
            found = describe(linear->gated(), linear->k(), linear->n(), linear->precision(), linear->activation());
            if (found == expected) return {};
        }
        return Status(StatusCode::kInvalidArgument, fmt::format("node {}: expected {} among the parameters, found {}",
                                                                quote(fused.node->name), expected, found));
    }

    std::int64_t most_rows(bool pooled) const {
        return pooled ? context_.options.max_sequences : context_.options.max_rows;
    }

    void add_value(const std::string& name, SessionValue::Home home, std::size_t place) {
        const GraphValue& shape = shapes_.at(name);
        place_of_[name] = static_cast<int>(result_.values.size());
        result_.values.push_back({home, place, shape.features, shape.pooled(), {}});
    }

    int value(std::string_view name) const { return place_of_.at(name); }

    void read(std::string_view name, std::size_t step) {
        result_.values[static_cast<std::size_t>(value(name))].life.last = step;
    }

    // What a step reads, and what becomes of its value. A norm that only linears of one kind read packs their rows.
    Status declare(std::size_t index) {
        Ordered& step = order_[index];
        const GraphValue& shape = shapes_.at(step.last->name);
        if (shape.features > kMaxElements / most_rows(shape.pooled())) {
            return at_node(*step.node, Status(StatusCode::kInvalidArgument,
                                              fmt::format("{} rows of {} features; expected at most {} elements in all",
                                                          most_rows(shape.pooled()), shape.features, kMaxElements)));
        }
        for (const std::string& input : step.node->inputs) {
            if (step.linear) continue;
            if (shapes_.at(input).features > 0) read(input, index);
        }
        if (step.linear) {
            if (Status status = join_packed(index); !status.ok()) return status;
            if (!step.fused->residual.empty()) read(step.fused->residual, index);
        }
        const auto output = std::find(graph_.outputs.begin(), graph_.outputs.end(), step.last->name);
        const bool is_output = output != graph_.outputs.end();
        add_value(step.last->name, is_output ? SessionValue::Home::kOutput : SessionValue::Home::kArena,
                  is_output ? static_cast<std::size_t>(output - graph_.outputs.begin()) : 0);
        Lifetime& life = result_.values.back().life;
        life.first = life.last = index;
        return {};
    }

    // Finds rows that somebody has packed for this linear, or has them packed: by the norm before it, if that has
    // packed nothing else yet, or by itself.
    Status join_packed(std::size_t index) {
        Ordered& step = order_[index];
        const std::string& input = step.node->inputs[0];
        for (Packed* packed : packed_from_[input]) {
            const Result<bool> shared = accepts(*step.linear, *packed->readers[0]);
            if (!shared.ok()) return shared.status();
            if (!shared.value()) continue;
            packed->last = index;
            packed->readers.push_back(step.linear);
            step.packed = packed;
            return {};
        }
        packed_.push_back(std::make_unique<Packed>(Packed{index, index, {step.linear}}));
        step.packed = packed_.back().get();
        packed_from_[input].push_back(step.packed);
        Ordered* norm = norm_before(input);
        if (norm && !norm->packed) {
            norm->packed = step.packed;
            norm->packed->first = static_cast<std::size_t>(norm - order_.data());
        } else {
            step.packs = true;
            read(input, index);
        }
        return {};
    }

    Ordered* norm_before(std::string_view input) {
        for (Ordered& step : order_) {
            if (step.last->name != input) continue;
            const bool norm =
                step.node->op == NodeOp::kLayerNorm || (step.node->op == NodeOp::kRmsNorm && step.node->heads == 1);
            return norm ? &step : nullptr;
        }
        return nullptr;
    }

    static Result<bool> accepts(const Linear& linear, const Linear& packer) {
        if (linear.k() != packer.k()) return false;
        const std::vector<float> zeros(static_cast<std::size_t>(packer.k()));
        PackedRows rows;
        const Status status = packer.pack_rows({zeros.data(), DataType::kF32, 1, packer.k(), packer.k()}, rows);
        if (!status.ok()) return status;
        return linear.accepts(rows);
    }

    // Rows that are never there at once share a slot.
    void assign_slots() {
        std::vector<std::size_t> busy_until;  // of each slot; SIZE_MAX: never used
        std::vector<Packed*> order;
        for (const auto& packed : packed_)
            order.push_back(packed.get());
        std::stable_sort(order.begin(), order.end(),
                         [](const Packed* a, const Packed* b) { return a->first < b->first; });
        for (Packed* packed : order) {
            const auto free = std::find_if(busy_until.begin(), busy_until.end(),
                                           [&](std::size_t last) { return last < packed->first; });
            packed->slot = static_cast<int>(free - busy_until.begin());
            if (free == busy_until.end()) {
                busy_until.push_back(packed->last);
                result_.panels.emplace_back();
            } else {
                *free = packed->last;
            }
            auto& users = result_.panels[static_cast<std::size_t>(packed->slot)];
            users.insert(users.end(), packed->readers.begin(), packed->readers.end());
        }
    }

    Status build(std::size_t index) {
        Ordered& step = order_[index];
        const Node& node = *step.node;
        int output = value(step.last->name);
        const SessionValue& yielded = result_.values[static_cast<std::size_t>(output)];
        std::vector<int> inputs;
        for (const std::string& input : node.inputs)
            inputs.push_back(shapes_.at(input).features > 0 ? value(input) : -1);

        Result<std::unique_ptr<Step>> made = std::unique_ptr<Step>();
        if (step.linear) {
            made = make_linear({step.linear, inputs[0], output,
                                step.fused->residual.empty() ? -1 : value(step.fused->residual), step.packed->slot,
                                step.packs});
        } else if (node.op == NodeOp::kLayerNorm || node.op == NodeOp::kRmsNorm) {
            const bool unread = yielded.life.last == index && yielded.home == SessionValue::Home::kArena;
            if (step.packed && unread && !context_.options.observer) output = -1;
            made = make_norm(context_, node, inputs[0], output, step.packed ? step.packed->readers[0] : nullptr,
                             step.packed ? step.packed->slot : 0);
        } else if (node.op == NodeOp::kEmbedding) {
            made = make_embedding(context_, node, output);
        } else if (node.op == NodeOp::kAttention) {
            made = make_attention(context_, node, inputs, output);
        } else {
            made = make_elementwise(context_, node, activation_of(node), inputs, output);
        }
        if (!made.ok()) return made.status();
        result_.steps.push_back({std::move(made).value(), &node, step.last, output});
        return {};
    }

    // A gate whose first linear applies its activation has none left.
    Activation activation_of(const Node& node) const {
        if (node.op != NodeOp::kGate) return node.activation;
        const auto gate = fused_.linears.find(node.inputs[0]);
        return gate != fused_.linears.end() && gate->second.activated_for_gate ? Activation::kNone : node.activation;
    }

    void place_values() {
        std::vector<Lifetime> lives;
        std::vector<std::size_t> owners;
        std::vector<bool> yielded(result_.values.size());
        for (const PlannedStep& step : result_.steps)
            if (step.output >= 0) yielded[static_cast<std::size_t>(step.output)] = true;
        for (std::size_t i = 0; i < result_.values.size(); i++) {
            SessionValue& value = result_.values[i];
            if (value.home != SessionValue::Home::kArena || !yielded[i]) continue;
            value.life.bytes = static_cast<std::size_t>(most_rows(value.pooled) * value.features) * sizeof(float);
            lives.push_back(value.life);
            owners.push_back(i);
        }
        const std::size_t count = lives.size();
        for (std::size_t step = 0; step < result_.steps.size(); step++)
            lives.push_back({result_.steps[step].step->scratch_bytes(), step, step});
        result_.arena = plan_arena(lives);
        for (std::size_t i = 0; i < count; i++)
            result_.values[owners[i]].place = result_.arena.offsets[i];
        for (std::size_t step = 0; step < result_.steps.size(); step++)
            result_.steps[step].step->set_scratch(result_.arena.offsets[count + step]);
    }

    StepContext& context_;
    const Graph& graph_;
    const FusedLinears& fused_;
    const GraphValues& shapes_;
    std::vector<Ordered> order_;
    std::map<std::string_view, int> place_of_;
    std::vector<std::unique_ptr<Packed>> packed_;
    std::map<std::string_view, std::vector<Packed*>> packed_from_;
    CompiledSession result_;
};

}  // namespace

Result<CompiledSession> compile(StepContext& context, const Plan& plan) {
    const Result<GraphValues> shapes = values_of(context.graph);
    if (!shapes.ok()) return shapes.status();
    if (const Node* other = first_other(context.graph)) {
        return Status(StatusCode::kUnsupported, fmt::format("node {}: expected what a session can run, found {}",
                                                            quote(other->name), other->what));
    }
    const GraphReaders readers(context.graph);
    const Result<FusedLinears> fused = fuse_linears(context.graph, readers, plan);
    if (!fused.ok()) return fused.status();
    return Compiler(context, fused.value(), shapes.value()).run();
}

}  // namespace octile
