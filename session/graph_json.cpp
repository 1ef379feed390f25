#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/json_builder.h"
#include "octile/graph.h"
#include "octile/planner.h"
#include "planner/json_reader.h"

namespace octile {
namespace {

using internal::json_string;
using internal::json_strings;
using internal::ObjectReader;
using nlohmann::json;

std::string table_text(const EmbeddingTable& table) {
    return fmt::format("{{\"tensor\": {}, \"index\": {}, \"rows\": {}, \"offset\": {}}}", json_string(table.tensor),
                       table.index.empty() ? "null" : json_string(table.index), table.rows, table.offset);
}

std::string rotary_text(const Rotary& rotary) {
    std::string text = fmt::format("{{\"theta\": {}", rotary.theta);
    if (const auto& scaling = rotary.scaling) {
        text +=
            fmt::format(", \"factor\": {}, \"low_frequency\": {}, \"high_frequency\": {}, \"original_context\": {}",
                        scaling->factor, scaling->low_frequency, scaling->high_frequency, scaling->original_context);
    }
    return text + "}";
}

std::string rows_text(const Rows& rows) {
    return fmt::format("{{\"unit\": \"{}\", \"count\": {}, \"part\": {}, \"of\": {}}}", name_of(rows.unit), rows.count,
                       rows.part, rows.of);
}

Rows read_rows(const json& value, const std::string& path, Status& status) {
    ObjectReader reader(value, path, status, "rows");
    Rows rows;
    rows.unit = reader.name("unit", parse_rows_unit, "one of \"tokens\", \"sequences\", \"fixed\"");
    rows.count = reader.integer("count", 0, kMaxExtent);
    rows.part = reader.integer("part", 1, kMaxExtent);
    rows.of = reader.integer("of", 1, kMaxExtent);
    reader.finish();
    return rows;
}

std::string bias_text(const DistanceBias& bias) {
    return fmt::format("{{\"tensor\": {}, \"buckets\": {}, \"max_distance\": {}}}", json_string(bias.tensor),
                       bias.buckets, bias.max_distance);
}

DistanceBias read_bias(const json& value, const std::string& path, Status& status) {
    ObjectReader reader(value, path, status, "distance_bias");
    DistanceBias bias;
    bias.tensor = reader.string("tensor");
    bias.buckets = reader.integer("buckets", 4, kMostDistanceBuckets);
    bias.max_distance = reader.integer("max_distance", 2, kMostBiasDistance);
    reader.finish();
    return bias;
}

bool is_norm(NodeOp op) {
    return op == NodeOp::kLayerNorm || op == NodeOp::kRmsNorm;
}

std::string node_text(const Node& node) {
    std::string text = fmt::format("{{\"name\": {}, \"op\": \"{}\", \"inputs\": {}, \"features\": {}",
                                   json_string(node.name), name_of(node.op), json_strings(node.inputs), node.features);
    if (node.op == NodeOp::kLinear || is_norm(node.op))
        text += fmt::format(", \"weight\": {}", json_string(node.weight));
    if (node.op == NodeOp::kLinear || node.op == NodeOp::kLayerNorm)
        text += fmt::format(", \"bias\": {}", node.bias.empty() ? "null" : json_string(node.bias));
    if (!node.shared.empty()) text += fmt::format(", \"shared\": {}", json_string(node.shared));
    if (is_norm(node.op) || node.op == NodeOp::kNormalize) text += fmt::format(", \"epsilon\": {}", node.epsilon);
    if (node.op == NodeOp::kRmsNorm || node.op == NodeOp::kAttention)
        text += fmt::format(", \"heads\": {}", node.heads);
    if (node.op == NodeOp::kActivation || node.op == NodeOp::kGate)
        text += fmt::format(", \"activation\": \"{}\"", name_of(node.activation));
    if (node.op == NodeOp::kPool) text += fmt::format(", \"pooling\": \"{}\"", name_of(node.pooling));
    if (node.op == NodeOp::kAttention) {
        text += fmt::format(", \"key_heads\": {}, \"causal\": {}, \"scale\": {}, \"rotary\": {}", node.key_heads,
                            node.causal, node.scale, node.rotary ? rotary_text(*node.rotary) : "null");
        if (node.window) text += fmt::format(", \"window\": {}", *node.window);
        if (node.distance_bias) text += fmt::format(", \"distance_bias\": {}", bias_text(*node.distance_bias));
    }
    if (node.op == NodeOp::kSlice) text += fmt::format(", \"first\": {}", node.first);
    if (node.op == NodeOp::kOther) text += fmt::format(", \"what\": {}", json_string(node.what));
    if (node.rows) text += fmt::format(", \"rows\": {}", rows_text(*node.rows));
    if (!node.assumptions.empty()) text += fmt::format(", \"assumed\": {}", json_strings(node.assumptions));
    if (node.op == NodeOp::kEmbedding) {
        text += ", \"tables\": [";
        for (std::size_t i = 0; i < node.tables.size(); i++)
            text += (i ? ", " : "") + table_text(node.tables[i]);
        text += "]";
    }
    return text + "}";
}

std::optional<Rotary> read_rotary(const json& value, const std::string& path, Status& status) {
    if (value.is_null()) return std::nullopt;
    ObjectReader reader(value, path, status, "rotary");
    Rotary rotary;
    rotary.theta = reader.number("theta", 1);
    if (reader.has("factor")) {
        rotary.scaling = RotaryScaling{.factor = reader.number("factor", 0),
                                       .low_frequency = reader.number("low_frequency", 0),
                                       .high_frequency = reader.number("high_frequency", 0),
                                       .original_context = reader.integer("original_context", 1, kMaxExtent)};
    }
    reader.finish();
    return rotary;
}

std::vector<EmbeddingTable> read_tables(ObjectReader& node, Status& status) {
    std::vector<EmbeddingTable> tables;
    const json* list = node.member("tables");
    if (!list) return tables;
    if (!list->is_array()) {
        node.fail("tables", "an array", internal::found(*list));
        return tables;
    }
    for (std::size_t i = 0; i < list->size(); i++) {
        ObjectReader reader((*list)[i], fmt::format("{}[{}]", node.path_to("tables"), i), status, "table");
        EmbeddingTable& table = tables.emplace_back();
        table.tensor = reader.string("tensor");
        table.index = reader.string_or_null("index").value_or("");
        table.rows = reader.integer("rows", 1, kMaxExtent);
        table.offset = reader.integer("offset", 0, kMaxExtent);
        reader.finish();
    }
    return tables;
}

Node read_node(const json& value, const std::string& path, Status& status) {
    ObjectReader reader(value, path, status, "node");
    Node node;
    node.name = reader.string("name");
    node.op = reader.name("op", parse_node_op,
                          "one of \"embedding\", \"linear\", \"layernorm\", \"rmsnorm\", \"activation\", \"add\", "
                          "\"gate\", \"attention\", \"pool\", \"normalize\", \"tanh\", \"slice\", \"concat\", "
                          "\"other\"");
    node.inputs = reader.strings("inputs");
    node.features = reader.integer("features", 1, kMaxExtent);
    if (node.op == NodeOp::kLinear || is_norm(node.op)) node.weight = reader.string("weight");
    if (node.op == NodeOp::kLinear || node.op == NodeOp::kLayerNorm)
        node.bias = reader.string_or_null("bias").value_or("");
    if (node.op == NodeOp::kLinear && reader.has("shared")) node.shared = reader.string("shared");
    if (is_norm(node.op) || node.op == NodeOp::kNormalize) node.epsilon = reader.number("epsilon", 0, true);
    if (node.op == NodeOp::kRmsNorm || node.op == NodeOp::kAttention)
        node.heads = reader.integer("heads", 1, kMaxExtent);
    if (node.op == NodeOp::kActivation || node.op == NodeOp::kGate)
        node.activation = reader.name("activation", parse_activation, "the name of an activation");
    if (node.op == NodeOp::kPool)
        node.pooling = reader.name("pooling", parse_pooling,
                                   "one of \"mean\", \"first\", \"last\", \"max\", \"mean_sqrt_len\", "
                                   "\"weighted_mean\"");
    if (node.op == NodeOp::kAttention) {
        node.key_heads = reader.integer("key_heads", 1, kMaxExtent);
        node.causal = reader.boolean("causal");
        node.scale = reader.number("scale", 0);
        if (const json* rotary = reader.member("rotary"))
            node.rotary = read_rotary(*rotary, reader.path_to("rotary"), status);
        if (reader.has("window")) node.window = reader.integer("window", 0, kMaxExtent);
        if (reader.has("distance_bias"))
            node.distance_bias = read_bias(*reader.member("distance_bias"), reader.path_to("distance_bias"), status);
    }
    if (node.op == NodeOp::kSlice) node.first = reader.integer("first", 0, kMaxExtent);
    if (node.op == NodeOp::kEmbedding) node.tables = read_tables(reader, status);
    if (node.op == NodeOp::kOther) node.what = reader.string("what");
    if (reader.has("rows")) node.rows = read_rows(*reader.member("rows"), reader.path_to("rows"), status);
    if (reader.has("assumed")) node.assumptions = reader.strings("assumed");
    reader.finish();
    return node;
}

GraphInput read_input(const json& value, const std::string& path, Status& status) {
    ObjectReader reader(value, path, status, "input");
    GraphInput input;
    input.name = reader.string("name");
    input.features = reader.integer("features", 0, kMaxExtent);
    input.optional = reader.boolean("optional");
    if (reader.has("rows")) input.rows = read_rows(*reader.member("rows"), reader.path_to("rows"), status);
    reader.finish();
    return input;
}

template <typename Element>
std::vector<Element> read_list(ObjectReader& reader, const char* key, Status& status,
                               Element (*read)(const json&, const std::string&, Status&)) {
    std::vector<Element> elements;
    const json* list = reader.member(key);
    if (!list) return elements;
    if (!list->is_array()) {
        reader.fail(key, "an array", internal::found(*list));
        return elements;
    }
    for (std::size_t i = 0; i < list->size() && status.ok(); i++)
        elements.push_back(read((*list)[i], fmt::format("{}[{}]", key, i), status));
    return elements;
}

}  // namespace

std::int64_t version_of(const Graph& graph) {
    const auto is_new = [](const Node& node) {
        return node.op == NodeOp::kTanh || node.op == NodeOp::kSlice || node.op == NodeOp::kConcat ||
               node.pooling > Pooling::kLast || !node.shared.empty() || node.window || node.distance_bias;
    };
    return std::any_of(graph.nodes.begin(), graph.nodes.end(), is_new) ? kNewestGraphVersion : 1;
}

std::string to_json(const Graph& graph) {
    std::string text = fmt::format("{{\"octile_graph\": {},\n \"name\": {},\n \"inputs\": [", version_of(graph),
                                   json_string(graph.name));
    for (std::size_t i = 0; i < graph.inputs.size(); i++) {
        const GraphInput& input = graph.inputs[i];
        text += fmt::format("{}\n  {{\"name\": {}, \"features\": {}, \"optional\": {}", i ? "," : "",
                            json_string(input.name), input.features, input.optional);
        if (input.rows != Rows()) text += fmt::format(", \"rows\": {}", rows_text(input.rows));
        text += "}";
    }
    text += "],\n \"nodes\": [";
    for (std::size_t i = 0; i < graph.nodes.size(); i++)
        text += (i ? ",\n  " : "\n  ") + node_text(graph.nodes[i]);
    return text + "],\n \"outputs\": " + json_strings(graph.outputs) + "}\n";
}

Result<Graph> graph_from_json(std::string_view text) {
    Result<json> document = internal::parse_json(text);
    if (!document.ok()) return document.status();
    const internal::TakenApart apart(document.value());
    Status status;
    ObjectReader reader(document.value(), "", status, "graph");
    const std::int64_t version = reader.integer("octile_graph", 1, kNewestGraphVersion);
    Graph graph;
    graph.name = reader.string("name");
    graph.inputs = read_list(reader, "inputs", status, read_input);
    graph.nodes = read_list(reader, "nodes", status, read_node);
    graph.outputs = reader.strings("outputs");
    reader.finish();
    if (!status.ok()) return status;
    if (const Status valid = validate(graph); !valid.ok()) return Status(StatusCode::kParseError, valid.message());
    if (version_of(graph) > version) {
        return Status(StatusCode::kParseError,
                      fmt::format("octile_graph: expected {} for a graph that has what version "
                                  "1 has not, found {}",
                                  version_of(graph), version));
    }
    return graph;
}

}  // namespace octile
