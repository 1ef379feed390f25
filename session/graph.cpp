#include "octile/graph.h"

#include <fmt/format.h>

#include <cmath>
#include <span>

#include "base/names.h"
#include "base/printable.h"
#include "octile/planner.h"
#include "session/graph_shapes.h"

namespace octile {
namespace {

using internal::quote;

constexpr std::array<std::string_view, 14> kNodeOps = {"embedding", "linear", "layernorm", "rmsnorm", "activation",
                                                       "add",       "gate",   "attention", "pool",    "normalize",
                                                       "tanh",      "slice",  "concat",    "other"};
constexpr std::array<std::string_view, 3> kRowsUnits = {"tokens", "sequences", "fixed"};
constexpr std::array<std::string_view, 6> kPoolings = {"mean", "first",         "last",
                                                       "max",  "mean_sqrt_len", "weighted_mean"};
static_assert(kNodeOps.size() == static_cast<std::size_t>(NodeOp::kOther) + 1);
static_assert(kRowsUnits.size() == static_cast<std::size_t>(Rows::Unit::kFixed) + 1);
static_assert(kPoolings.size() == static_cast<std::size_t>(Pooling::kWeightedMean) + 1);

constexpr std::size_t kAnyCount = SIZE_MAX;
constexpr std::array<std::size_t, kNodeOps.size()> kInputCounts = {0, 1, 1, 1, 1, 2,         2,
                                                                   3, 1, 1, 1, 1, kAnyCount, kAnyCount};

std::string expected(std::string_view field, const std::string& what, std::string_view found) {
    return fmt::format("{}: expected {}, found {}", field, what, found);
}

std::string expected(std::string_view field, const std::string& what, std::int64_t found) {
    return fmt::format("{}: expected {}, found {}", field, what, found);
}

std::string check_name(std::string_view name) {
    if (name.empty()) return "name: expected a name, found none";
    if (name.size() > kMaxNameLength || !internal::is_printable(name)) {
        return expected("name", fmt::format("at most {} bytes of UTF-8 without control characters", kMaxNameLength),
                        quote(name));
    }
    return {};
}

std::string check_positive(std::string_view field, double value) {
    if (std::isfinite(value) && value > 0) return {};
    return fmt::format("{}: expected a number > 0, found {}", field, value);
}

std::string check_rotary(const Rotary& rotary) {
    if (!(std::isfinite(rotary.theta) && rotary.theta > 1))
        return fmt::format("rotary.theta: expected a number > 1, found {}", rotary.theta);
    if (!rotary.scaling) return {};
    const RotaryScaling& scaling = *rotary.scaling;
    if (std::string text = check_positive("rotary.factor", scaling.factor); !text.empty()) return text;
    if (std::string text = check_positive("rotary.low_frequency", scaling.low_frequency); !text.empty()) return text;
    if (!(std::isfinite(scaling.high_frequency) && scaling.high_frequency > scaling.low_frequency)) {
        return fmt::format("rotary.high_frequency: expected a number > {}, found {}", scaling.low_frequency,
                           scaling.high_frequency);
    }
    if (scaling.original_context >= 1) return {};
    return expected("rotary.original_context", "an integer >= 1", scaling.original_context);
}

std::string check_distance_bias(const DistanceBias& bias) {
    if (bias.tensor.empty()) return "distance_bias.tensor: expected a tensor, found none";
    if (bias.buckets < 4 || bias.buckets % 4 != 0 || bias.buckets > kMostDistanceBuckets) {
        return expected("distance_bias.buckets", fmt::format("a multiple of 4 up to {}", kMostDistanceBuckets),
                        bias.buckets);
    }
    if (bias.max_distance > bias.buckets / 4 && bias.max_distance <= kMostBiasDistance) return {};
    return expected("distance_bias.max_distance", fmt::format("{} to {}", bias.buckets / 4 + 1, kMostBiasDistance),
                    bias.max_distance);
}

std::string text_of(const Rows& rows) {
    std::string text =
        rows.unit == Rows::Unit::kFixed ? fmt::format("{}", rows.count) : std::string(name_of(rows.unit));
    return rows.part == rows.of ? text : fmt::format("{} * {} / {}", text, rows.part, rows.of);
}

std::string rows_of_two_kinds(const Rows& a, const Rows& b) {
    const bool sorted = a.unit <= b.unit;
    return fmt::format("inputs: expected rows of one kind, found {} and {}", text_of(sorted ? a : b),
                       text_of(sorted ? b : a));
}

std::string check_rows(const std::optional<Rows>& rows) {
    if (!rows) return {};
    const bool fixed = rows->unit == Rows::Unit::kFixed;
    if (fixed ? rows->count < 1 || rows->count > kMaxExtent : rows->count != 0)
        return expected("count", fixed ? fmt::format("1 to {}", kMaxExtent) : "0 unless fixed", rows->count);
    if (rows->part >= 1 && rows->of >= rows->part && rows->of <= kMaxExtent) return {};
    return fmt::format("expected a part of rows, found {} of {}", rows->part, rows->of);
}

// Of what a node yields, where its op does not say it.
Rows rows_of(const Node& node, std::span<const GraphValue> inputs) {
    if (node.op == NodeOp::kPool) return {.unit = Rows::Unit::kSequences};
    if (node.rows) return *node.rows;
    return inputs.empty() ? Rows() : inputs[0].rows;
}

// Shapes of one node's inputs, all of which are there.
class NodeCheck {
  public:
    // `shared`: the linear above that node.shared names; null: there is none.
    NodeCheck(const Graph& graph, const Node& node, std::span<const GraphValue> inputs, const Node* shared)
        : graph_(graph), node_(node), inputs_(inputs), shared_(shared) {}

    std::string run() const {
        for (std::size_t i = 0; i < inputs_.size(); i++) {
            if (inputs_[i].features == 0)
                return expected("inputs", "values", fmt::format("the indices {}", quote(node_.inputs[i])));
            if (inputs_[i].rows != inputs_[0].rows && node_.op != NodeOp::kOther)
                return rows_of_two_kinds(inputs_[0].rows, inputs_[i].rows);
        }
        if (!node_.shared.empty() && node_.op != NodeOp::kLinear)
            return expected("shared", fmt::format("none for {}", name_of(node_.op)), quote(node_.shared));
        if (node_.rows && node_.op != NodeOp::kEmbedding && node_.op != NodeOp::kOther)
            return fmt::format("rows: expected none for {}, found {}", name_of(node_.op), text_of(*node_.rows));
        if (std::string text = check_rows(node_.rows); !text.empty()) return "rows: " + text;
        if (node_.features < 1 || node_.features > kMaxExtent)
            return expected("features", fmt::format("1 to {}", kMaxExtent), node_.features);
        switch (node_.op) {
            case NodeOp::kEmbedding:
                return check_embedding();
            case NodeOp::kLinear:
                return check_linear();
            case NodeOp::kLayerNorm:
            case NodeOp::kRmsNorm:
                return check_norm();
            case NodeOp::kActivation:
                if (node_.activation == Activation::kNone) return "activation: expected a function, found \"none\"";
                return same_features(0);
            case NodeOp::kAdd:
            case NodeOp::kGate:
                if (std::string text = same_features(0); !text.empty()) return text;
                return same_features(1);
            case NodeOp::kAttention:
                return check_attention();
            case NodeOp::kPool:
                if (inputs_[0].pooled()) return "inputs: expected rows of tokens, found rows of sequences";
                return same_features(0);
            case NodeOp::kTanh:
                return same_features(0);
            case NodeOp::kSlice:
                if (node_.first >= 0 && node_.first <= inputs_[0].features - node_.features) return {};
                return expected("first",
                                fmt::format("{} columns within the {} of {}", node_.features, inputs_[0].features,
                                            quote(node_.inputs[0])),
                                fmt::format("those from {} on", node_.first));
            case NodeOp::kConcat:
                return check_concat();
            case NodeOp::kOther:
                return node_.what.empty() ? "what: expected what the node is, found nothing" : std::string();
            case NodeOp::kNormalize:
                if (std::string text = check_positive("epsilon", node_.epsilon); !text.empty()) return text;
                return same_features(0);
        }
        return {};
    }

  private:
    std::string same_features(std::size_t input) const {
        if (inputs_[input].features == node_.features) return {};
        return expected("features", fmt::format("{} as {} has", inputs_[input].features, quote(node_.inputs[input])),
                        node_.features);
    }

    std::string check_linear() const {
        if (node_.weight.empty()) return "weight: expected a tensor, found none";
        if (node_.shared.empty()) return {};
        const bool same = shared_ && shared_->shared.empty() && shared_->features == node_.features &&
                          shared_->weight == node_.weight && shared_->bias == node_.bias;
        if (same) return {};
        return expected("shared", "a linear above of the same tensors, with weights of its own", quote(node_.shared));
    }

    std::string check_concat() const {
        if (inputs_.empty()) return "inputs: expected at least one for concat, found none";
        std::int64_t sum = 0;
        for (const GraphValue& input : inputs_)
            sum += input.features;
        if (sum == node_.features) return {};
        return expected("features", fmt::format("{}, as many as its inputs together", sum), node_.features);
    }

    std::string check_norm() const {
        if (node_.weight.empty()) return "weight: expected a tensor, found none";
        if (node_.op == NodeOp::kRmsNorm && !node_.bias.empty()) return "bias: expected none for rmsnorm, found one";
        if (!(std::isfinite(node_.epsilon) && node_.epsilon >= 0))
            return fmt::format("epsilon: expected a number >= 0, found {}", node_.epsilon);
        if (std::string text = check_heads("heads", node_.heads, node_.features); !text.empty()) return text;
        if (node_.op == NodeOp::kLayerNorm && node_.heads != 1)
            return expected("heads", "1 for layernorm", node_.heads);
        return same_features(0);
    }

    static std::string check_heads(std::string_view field, std::int64_t heads, std::int64_t features) {
        if (heads >= 1 && features % heads == 0) return {};
        return expected(field, fmt::format("a divisor of {} features", features), heads);
    }

    std::string check_attention() const {
        if (std::string text = same_features(0); !text.empty()) return text;
        if (std::string text = check_heads("heads", node_.heads, node_.features); !text.empty()) return text;
        if (std::string text = check_heads("key_heads", node_.key_heads, inputs_[1].features); !text.empty())
            return text;
        if (node_.heads % node_.key_heads != 0)
            return expected("key_heads", fmt::format("a divisor of {} heads", node_.heads), node_.key_heads);
        const std::int64_t head = node_.features / node_.heads;
        for (const std::size_t input : {1, 2}) {
            if (inputs_[input].features == node_.key_heads * head) continue;
            return expected(
                "inputs",
                fmt::format("{} heads of {} features in {}", node_.key_heads, head, quote(node_.inputs[input])),
                inputs_[input].features);
        }
        if (inputs_[0].pooled()) return "inputs: expected rows of tokens, found rows of sequences";
        if (std::string text = check_positive("scale", node_.scale); !text.empty()) return text;
        if (node_.window && (*node_.window < 0 || *node_.window > kMaxExtent))
            return expected("window", fmt::format("0 to {}", kMaxExtent), *node_.window);
        if (node_.distance_bias)
            if (std::string text = check_distance_bias(*node_.distance_bias); !text.empty()) return text;
        if (node_.rotary && head % 2 != 0) return expected("rotary", "an even number of features of a head", head);
        return node_.rotary ? check_rotary(*node_.rotary) : std::string();
    }

    std::string check_embedding() const {
        if (node_.tables.empty()) return "tables: expected at least one, found none";
        for (std::size_t i = 0; i < node_.tables.size(); i++) {
            const EmbeddingTable& table = node_.tables[i];
            const auto at = [&](std::string_view field) { return fmt::format("tables[{}].{}", i, field); };
            if (table.tensor.empty()) return at("tensor") + ": expected a tensor, found none";
            if (table.rows < 1 || table.rows > kMaxExtent)
                return expected(at("rows"), fmt::format("1 to {}", kMaxExtent), table.rows);
            if (table.rows > kMaxExtent / node_.features)
                return expected(at("rows"), fmt::format("at most {} elements in all", kMaxExtent), table.rows);
            if (table.offset < 0 || table.offset >= table.rows)
                return expected(at("offset"), fmt::format("0 to {}", table.rows - 1), table.offset);
            if (table.index.empty()) continue;
            bool known = false;
            for (const GraphInput& input : graph_.inputs)
                known = known || (input.name == table.index && input.features == 0);
            if (!known) return expected(at("index"), "an input of indices", quote(table.index));
        }
        return {};
    }

    const Graph& graph_;
    const Node& node_;
    std::span<const GraphValue> inputs_;
    const Node* shared_;
};

}  // namespace

std::string_view name_of(NodeOp op) {
    return internal::enum_name(kNodeOps, op);
}
std::string_view name_of(Pooling pooling) {
    return internal::enum_name(kPoolings, pooling);
}
std::optional<NodeOp> parse_node_op(std::string_view name) {
    return internal::enum_from_name<NodeOp>(kNodeOps, name);
}
std::optional<Pooling> parse_pooling(std::string_view name) {
    return internal::enum_from_name<Pooling>(kPoolings, name);
}

std::string_view name_of(Rows::Unit unit) {
    return internal::enum_name(kRowsUnits, unit);
}
std::optional<Rows::Unit> parse_rows_unit(std::string_view name) {
    return internal::enum_from_name<Rows::Unit>(kRowsUnits, name);
}

Result<GraphValues> values_of(const Graph& graph) {
    GraphValues values;
    const auto fail = [](std::string_view what, std::string_view name, std::size_t index, std::string_view text) {
        return Status(StatusCode::kInvalidArgument, fmt::format("{} {} ({}): {}", what, quote(name), index + 1, text));
    };
    if (!graph.name.empty())
        if (const std::string text = check_name(graph.name); !text.empty())
            return Status(StatusCode::kInvalidArgument, "graph: " + text);
    for (std::size_t i = 0; i < graph.inputs.size(); i++) {
        const GraphInput& input = graph.inputs[i];
        std::string text = check_name(input.name);
        if (text.empty() && (input.features < 0 || input.features > kMaxExtent))
            text = expected("features", fmt::format("0 to {}", kMaxExtent), input.features);
        if (text.empty() && input.optional && input.features != 0) text = "optional: expected indices, found values";
        if (text.empty()) {
            if (const std::string wrong = check_rows(input.rows); !wrong.empty()) text = "rows: " + wrong;
        }
        if (text.empty() && !values.emplace(input.name, GraphValue{input.features, input.rows}).second)
            text = "name: used twice";
        if (!text.empty()) return fail("input", input.name, i, text);
    }
    std::vector<GraphValue> inputs;
    std::map<std::string_view, const Node*> linears;
    for (std::size_t i = 0; i < graph.nodes.size(); i++) {
        const Node& node = graph.nodes[i];
        std::string text = check_name(node.name);
        const std::size_t count = kInputCounts[static_cast<std::size_t>(node.op)];
        if (text.empty() && count != kAnyCount && node.inputs.size() != count)
            text = expected("inputs", fmt::format("{} for {}", count, name_of(node.op)),
                            static_cast<std::int64_t>(node.inputs.size()));
        inputs.clear();
        for (const std::string& name : node.inputs) {
            const auto found = values.find(name);
            if (found == values.end()) {
                if (text.empty()) text = expected("inputs", "a graph input or a node above", quote(name));
                break;
            }
            inputs.push_back(found->second);
        }
        const auto shared = linears.find(node.shared);
        if (text.empty())
            text = NodeCheck(graph, node, inputs, shared == linears.end() ? nullptr : shared->second).run();
        if (node.op == NodeOp::kLinear) linears.emplace(node.name, &node);
        if (text.empty() && !values.emplace(node.name, GraphValue{node.features, rows_of(node, inputs)}).second)
            text = "name: used twice";
        if (!text.empty()) return fail("node", node.name, i, text);
    }
    if (graph.outputs.empty()) return Status(StatusCode::kInvalidArgument, "outputs: expected a node, found none");
    for (std::size_t i = 0; i < graph.outputs.size(); i++) {
        const std::string& name = graph.outputs[i];
        bool is_node = false;
        for (const Node& node : graph.nodes)
            is_node = is_node || node.name == name;
        if (!is_node) return fail("output", name, i, "expected a node of this name, found none");
        for (std::size_t before = 0; before < i; before++)
            if (graph.outputs[before] == name) return fail("output", name, i, "named twice");
    }
    return values;
}

Status validate(const Graph& graph) {
    return values_of(graph).status();
}

}  // namespace octile
