// A network as a value: nodes in the order in which they run, what each reads and which tensors it computes with. No
// weights, no precision: those are in Parameters (octile/parameters.h) and in a Plan (octile/plan.h).
//
// Every node yields one matrix of f32 under its own name, with one row for each token, or, behind a pooling, for each
// sequence, and `features` columns. Tensors are named as in the network's checkpoint.
//
// What the linears of a graph are called in Parameters:
//
// - as the plan's layer, which is the node: "encoder.layer.0.attention.self.query". The activation that the plan fused
//   into it (PlannedLayer::layer.activation) is packed with it; a residual is not, for it comes with the call.
// - a gated pair, two layers of one precision of which the plan says that one (`gate`) gates the other, is one linear
//   under the name of the other, the up projection: Linear::pack_gated(gate, up) with the gate's activation. There is
//   none under the gate's own name. Where the precisions differ, they are two linears.
// - all other tensors (norms, tables) are there under the names that the graph calls them by, vectors as [1, K].
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/export.h"
#include "octile/layer.h"
#include "octile/parameters.h"
#include "octile/plan.h"
#include "octile/status.h"
#include "octile/types.h"

namespace OCTILE_API octile {

enum class NodeOp {
    kEmbedding,   // the sum of one row of each table
    kLinear,      // x w^T + bias
    kLayerNorm,   // over each row
    kRmsNorm,     // over each row, or over each head of a row
    kActivation,  // element by element
    kAdd,         // the sum of two
    kGate,        // act(first input) * second input
    kAttention,   // softmax attention; inputs: queries, keys, values
    kPool,        // one row for each sequence
    kNormalize,   // each row divided by its length
    kTanh,        // element by element
    kSlice,       // some columns
    kConcat,      // columns of several, side by side
    kOther,       // what no session runs, and `what` names: it keeps a network plannable
};

// What a pooling makes of a sequence's rows: their mean, the first, the last, the largest of each column, their sum
// divided by the square root of their number, or their mean with the weights 1, 2, 3, ...
enum class Pooling { kMean, kFirst, kLast, kMax, kMeanSqrtLength, kWeightedMean };

// "embedding" "linear" "layernorm" "rmsnorm" "activation" "add" "gate" "attention" "pool" "normalize" "tanh" "slice"
// "concat" "other"
std::string_view name_of(NodeOp op);
std::string_view name_of(Pooling pooling);  // "mean" "first" "last" "max" "mean_sqrt_len" "weighted_mean"
std::optional<NodeOp> parse_node_op(std::string_view name);
std::optional<Pooling> parse_pooling(std::string_view name);

// How many rows a value has. A session knows tokens and sequences; a planner tells M by it.
struct Rows {
    enum class Unit { kTokens, kSequences, kFixed };
    Unit unit = Unit::kTokens;
    std::int64_t count = 0;         // kFixed: for each sequence, as patches of an image or frames of a sound
    std::int64_t part = 1, of = 1;  // of these rows: an expert sees `part` of every `of`, rounded up

    bool operator==(const Rows&) const = default;
};

std::string_view name_of(Rows::Unit unit);  // "tokens" "sequences" "fixed"
std::optional<Rows::Unit> parse_rows_unit(std::string_view name);

// What a program hands to the network, one row per token.
struct GraphInput {
    std::string name;
    std::int64_t features = 0;  // columns of an f32 matrix; 0: an int32 index for each row
    bool optional = false;      // of indices: all 0 where the program has none
    Rows rows = {};

    bool operator==(const GraphInput&) const = default;
};

struct EmbeddingTable {
    std::string tensor;       // [rows, features]
    std::string index;        // a graph input of indices; empty: the token's position in its sequence
    std::int64_t rows = 0;    // an index is below it
    std::int64_t offset = 0;  // added to the index

    bool operator==(const EmbeddingTable&) const = default;
};

// Llama 3's stretching of a rotary embedding: frequencies of wavelengths beyond original_context / low_frequency are
// divided by `factor`, those below original_context / high_frequency kept, those between interpolated.
struct RotaryScaling {
    double factor = 1;
    double low_frequency = 1;
    double high_frequency = 4;
    std::int64_t original_context = 8192;

    bool operator==(const RotaryScaling&) const = default;
};

// Queries and keys are turned by their position before they are multiplied: the first half of a head's features with
// the second ("rotate half"), pair i of D/2 by position * theta^(-2i/D).
struct Rotary {
    double theta = 10000;
    std::optional<RotaryScaling> scaling = {};

    bool operator==(const Rotary&) const = default;
};

// What is added to a head's scores by how far a key is from its query, as T5 has it: distances of keys before the query
// take the first half of the table's rows, those behind it the second; the first half of these are one distance each,
// the others ever wider ranges of them up to max_distance, and all beyond.
struct DistanceBias {
    std::string tensor;               // [buckets, heads]
    std::int64_t buckets = 32;        // a multiple of 4, up to kMostDistanceBuckets
    std::int64_t max_distance = 128;  // more than buckets / 4, up to kMostBiasDistance

    bool operator==(const DistanceBias&) const = default;
};
inline constexpr std::int64_t kMostDistanceBuckets = 256, kMostBiasDistance = 32768;

struct Node {
    std::string name;
    NodeOp op = NodeOp::kLinear;
    std::vector<std::string> inputs = {};  // nodes above, or graph inputs
    std::int64_t features = 0;             // columns of what it yields

    std::string weight = {};  // kLinear [features, K]; norms [features], of heads [features / heads]
    std::string bias = {};    // kLinear, kLayerNorm: [features]; empty: none
    std::string shared =
        {};  // kLinear: the one above, of the same tensors, whose packed weights it uses; empty: its own
    std::vector<EmbeddingTable> tables = {};
    Activation activation = Activation::kNone;  // kActivation, kGate
    double epsilon = 0;                         // norms, kNormalize: the least length
    std::int64_t heads = 1;      // kAttention; kRmsNorm: parts of a row that are normalized by themselves
    std::int64_t key_heads = 1;  // kAttention: heads of keys and values, which divide `heads`
    bool causal = false;  // kAttention: a token sees those before it, which the session remembers from call to call
    double scale = 0;     // kAttention: of the scores; 1 / sqrt(features of a head) as a rule
    std::optional<Rotary> rotary = {};  // kAttention
    // kAttention: a token sees those that are at most so many tokens away; absent: all.
    std::optional<std::int64_t> window = {};
    std::optional<DistanceBias> distance_bias = {};  // kAttention
    std::int64_t first = 0;                          // kSlice: the first of the columns
    Pooling pooling = Pooling::kMean;
    std::string what = {};          // kOther: what it is, for messages
    std::optional<Rows> rows = {};  // kEmbedding, kOther: of what it yields; absent: tokens, or those of its input
    std::vector<std::string> assumptions = {};  // as of a Layer

    bool operator==(const Node&) const = default;
};

struct Graph {
    std::string name;
    std::vector<GraphInput> inputs = {};
    std::vector<Node> nodes = {};
    std::vector<std::string> outputs = {};  // nodes

    bool operator==(const Graph&) const = default;
};

// kInvalidArgument, naming node and field: a name that is used twice, an input that is not there or comes later, shapes
// that do not fit each other, a field that the op needs.
Status validate(const Graph& graph);

// JSON with one node per line. graph_from_json(to_json(g)) == g for every graph that validate() takes.
std::string to_json(const Graph& graph);

// Of that JSON: 2 where a graph has what readers of the first version do not know, else 1.
inline constexpr std::int64_t kNewestGraphVersion = 2;
std::int64_t version_of(const Graph& graph);

// Strict: an unknown, missing or contradictory field is an error that names it, e.g. `nodes[3].heads: expected ...`.
Result<Graph> graph_from_json(std::string_view json);

// The layers that a planner decides about, each named as its node, for calls of `tokens` tokens in all. Nodes that the
// planner has no name for are there as Op::kOther, except for a gate of two linears that a third reads: it is what the
// plan's fusion makes of the three. Precondition: validate(graph) is ok.
Model layers_of(const Graph& graph, std::int64_t tokens);

// Whether layers_of() needs to be told the tokens: some rows are counted in them.
bool counts_tokens(const Graph& graph);

// The graph without the nodes that no output needs: what a session runs of a network that is planned as a whole.
Graph needed_part(const Graph& graph);

// The first node that no session runs; null: there is none.
const Node* first_other(const Graph& graph);

// Where a tensor's elements are, and who keeps them there (null: the caller does).
struct TensorSource {
    MatrixView view;  // f32, f16 or bf16; a vector is [1, K]
    std::shared_ptr<const void> owner = {};
};

// A tensor of the checkpoint; nothing where there is none of that name.
using TensorLookup = std::function<std::optional<TensorSource>(std::string_view name)>;

// The linears of a graph packed in memory as the plan says, and its other tensors, which are looked up once and not
// copied. A tensor of another shape than the graph's is kInvalidArgument, a missing one too, naming node and tensor.
Result<Parameters> pack_parameters(const Graph& graph, const Plan& plan, const TensorLookup& lookup, IsaSet isas);

// Builds a graph in code. Every function adds a node and returns its name, to be handed to the next; the tensors are
// "<name>.weight" and "<name>.bias". What is wrong is told by finish().
class GraphBuilder {
  public:
    explicit GraphBuilder(std::string name) { graph_.name = std::move(name); }

    std::string indices(std::string name, bool optional = false);
    std::string values(std::string name, std::int64_t features, const Rows& rows = {});

    std::string embedding(std::string name, std::int64_t features, std::vector<EmbeddingTable> tables);
    std::string linear(std::string name, const std::string& x, std::int64_t features, bool bias = true);
    std::string layer_norm(std::string name, const std::string& x, double epsilon);
    std::string rms_norm(std::string name, const std::string& x, double epsilon, std::int64_t heads = 1);
    std::string activation(std::string name, const std::string& x, Activation activation);
    std::string add(std::string name, const std::string& a, const std::string& b);
    std::string gate(std::string name, const std::string& gate, const std::string& up, Activation activation);

    struct Attention {
        std::int64_t heads = 1;
        std::int64_t key_heads = 0;  // 0: as many
        bool causal = false;
        double scale = 0;  // 0: 1 / sqrt(features of a head)
        std::optional<Rotary> rotary = {};
        std::optional<std::int64_t> window = {};
        std::optional<DistanceBias> distance_bias = {};
    };
    std::string attention(std::string name, const std::string& queries, const std::string& keys,
                          const std::string& values, const Attention& options);
    std::string pool(std::string name, const std::string& x, Pooling pooling);
    // A node that no session runs. It yields as many rows as its first input, or `rows`.
    std::string other(std::string name, std::string what, std::vector<std::string> inputs, std::int64_t features,
                      std::optional<Rows> rows = {});
    std::string normalize(std::string name, const std::string& x, double epsilon = 1e-12);
    std::string tanh(std::string name, const std::string& x);
    std::string slice(std::string name, const std::string& x, std::int64_t first, std::int64_t features);
    std::string concat(std::string name, const std::vector<std::string>& inputs);

    // The node added last, for what its function has no argument for.
    Node& last() { return graph_.nodes.back(); }
    // Columns of a node or input; 1 for an unknown name, of which finish() tells.
    std::int64_t features_of(const std::string& name) const;

    Result<Graph> finish(std::vector<std::string> outputs) &&;

  private:
    std::string append(Node node);

    Graph graph_;
    std::map<std::string, std::int64_t, std::less<>> features_;
};

}  // namespace octile
