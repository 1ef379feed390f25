// An ONNX graph with the extents that its inputs leave open filled in, its shapes inferred, and who reads what.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "octile/status.h"

namespace octile {

using Shape = std::vector<std::int64_t>;

// Values are named as in the graph; nodes are numbered in its order. Subgraphs (of If, Loop) are not looked into.
class OnnxGraph {
  public:
    // See read_onnx_model() for `tokens` and errors.
    static Result<OnnxGraph> open(const std::filesystem::path& path, std::optional<std::int64_t> tokens);

    // Views are of the protobuf's strings, which stay where they are.
    OnnxGraph(OnnxGraph&&) noexcept = default;
    OnnxGraph& operator=(OnnxGraph&&) noexcept = default;

    int size() const { return graph().node_size(); }
    const onnx::NodeProto& node(int index) const { return graph().node(index); }
    // Number of the node that makes a value; empty for inputs and initializers.
    std::optional<int> producer(std::string_view value) const;
    // Numbers of the nodes that read it, in order, once each.
    const std::vector<int>& consumers(std::string_view value) const;
    bool is_output(std::string_view value) const { return outputs_.contains(value); }
    // Empty unless every extent is known.
    std::optional<Shape> shape(std::string_view value) const;

    // The initializer or Constant that a value is, or is made of by Transpose, Cast, DequantizeLinear and the like.
    // Null when it depends on an input of the graph.
    const onnx::TensorProto* constant(std::string_view value) const;
    // The value of a constant of one element.
    std::optional<double> scalar(std::string_view value) const;

    // Whether an input left an extent open, for `tokens` to fill.
    bool uses_tokens() const { return uses_tokens_; }

  private:
    OnnxGraph() = default;
    const onnx::GraphProto& graph() const { return model_->graph(); }
    Status bind_extents(const std::string& file, std::optional<std::int64_t> tokens);
    Status check_initializers(const std::string& file) const;
    void index();
    void fill_in_shapes();
    std::optional<Shape> shape_by_rule(const onnx::NodeProto& node) const;

    std::unique_ptr<onnx::ModelProto> model_;
    bool uses_tokens_ = false;
    std::unordered_map<std::string_view, int> producers_;
    std::unordered_map<std::string_view, std::vector<int>> consumers_;
    std::unordered_map<std::string_view, const onnx::TensorProto*> constants_;
    std::unordered_map<std::string_view, Shape> shapes_;
    std::unordered_set<std::string_view> outputs_;
};

// The attribute of that name; null when there is none.
const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, std::string_view name);

}  // namespace octile
