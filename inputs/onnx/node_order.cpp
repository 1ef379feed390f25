#include "inputs/onnx/node_order.h"
#include "base/limits.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace octile {
namespace {

void collect(const onnx::NodeProto& node, std::size_t depth, std::vector<std::string_view>& names) {
    for (const std::string& input : node.input()) {
        if (!input.empty()) names.push_back(input);
    }
    if (depth >= limits::kOnnxDepth) return;
    // Names that a graph makes itself hide those around it.
    const auto collect_graph = [&](const onnx::GraphProto& graph) {
        std::unordered_set<std::string_view> made;
        std::vector<std::string_view> read;
        for (const onnx::ValueInfoProto& input : graph.input())
            made.insert(input.name());
        for (const onnx::TensorProto& tensor : graph.initializer())
            made.insert(tensor.name());
        for (const onnx::NodeProto& inner : graph.node()) {
            made.insert(inner.output().begin(), inner.output().end());
            collect(inner, depth + 1, read);
        }
        for (const onnx::ValueInfoProto& output : graph.output())
            read.push_back(output.name());
        std::copy_if(read.begin(), read.end(), std::back_inserter(names),
                     [&](std::string_view name) { return !made.contains(name); });
    };
    for (const onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.has_g()) collect_graph(attribute.g());
        for (const onnx::GraphProto& graph : attribute.graphs())
            collect_graph(graph);
    }
}

}  // namespace

std::vector<std::string_view> names_read(const onnx::NodeProto& node) {
    std::vector<std::string_view> names;
    collect(node, 0, names);
    return names;
}

NodeOrder order_of(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes) {
    const auto count = static_cast<std::size_t>(nodes.size());
    std::unordered_map<std::string_view, std::size_t> makers;
    for (std::size_t i = 0; i < count; ++i) {
        for (const std::string& output : nodes[static_cast<int>(i)].output()) {
            if (!output.empty()) makers.emplace(output, i);
        }
    }
    std::vector<std::size_t> waits(count, 0);
    std::vector<std::vector<std::size_t>> readers(count);
    for (std::size_t i = 0; i < count; ++i) {
        for (const std::string_view name : names_read(nodes[static_cast<int>(i)])) {
            const auto maker = makers.find(name);
            if (maker == makers.end()) continue;
            readers[maker->second].push_back(i);
            ++waits[i];
        }
    }
    NodeOrder order;
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    for (std::size_t i = 0; i < count; ++i) {
        if (waits[i] == 0) ready.push(i);
    }
    while (!ready.empty()) {
        const std::size_t next = ready.top();
        ready.pop();
        order.nodes.push_back(&nodes[static_cast<int>(next)]);
        for (const std::size_t reader : readers[next]) {
            if (--waits[reader] == 0) ready.push(reader);
        }
    }
    for (std::size_t i = 0; i < count && order.nodes.size() < count && order.in_circle == nullptr; ++i) {
        if (waits[i] > 0) order.in_circle = &nodes[static_cast<int>(i)];
    }
    return order;
}

}  // namespace octile
