// Shapes, and values of small tensors, of what the operators of ONNX and com.microsoft yield, one rule for each.
// Whatever cannot be told stays unknown: a rule refuses nothing. Each takes time in proportion to ranks and to what it
// evaluates, which limits.h bounds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "inputs/onnx/graph.h"

namespace octile {

// A node as a rule sees it. Indices beyond those that the node has are values that were left out.
class RuleContext {
  public:
    // `budget`: elements that may still be evaluated in the whole file.
    RuleContext(OnnxGraph& graph, const OnnxNode& node, std::size_t& budget)
        : graph_(graph), node_(node), budget_(budget) {}

    const OnnxNode& node() const { return node_; }
    std::size_t inputs() const { return node_.inputs.size(); }
    std::size_t outputs() const { return node_.outputs.size(); }
    bool has(std::size_t i) const { return node_.input(i) >= 0; }
    const std::optional<Extents>& shape(std::size_t i) const { return graph_.shape(node_.input(i)); }
    // Null where they are unknown.
    const Contents* contents(std::size_t i) const;
    // Contents of an input that are all integers.
    std::optional<std::vector<std::int64_t>> integers(std::size_t i) const;
    // Axes, pads, ... that were an attribute in older operator sets and are an input in newer ones.
    std::optional<std::vector<std::int64_t>> integers(std::size_t i, std::string_view attribute) const;

    // The extents that a tensor of integers lists; unknown ones where elements are. Empty where not even their number
    // is known.
    std::optional<Extents> listed_extents(std::size_t i) const;

    std::int64_t integer(std::string_view attribute, std::int64_t absent) const {
        return integer_attribute(node_, attribute, absent);
    }

    void yield(std::size_t output, std::optional<Extents> extents);
    // Dropped when there are more than limits::kOnnxElements, or the budget is used up. Precondition: as many as
    // extents say.
    void yield(std::size_t output, Extents extents, Contents contents);

  private:
    OnnxGraph& graph_;
    const OnnxNode& node_;
    std::size_t& budget_;
};

struct Rule {
    std::string_view op;
    void (*apply)(RuleContext&);
};

std::span<const Rule> elementwise_rules();
std::span<const Rule> shape_rules();      // Shape, Size, Constant, Range, ConstantOfShape
std::span<const Rule> layout_rules();     // Reshape, Transpose, Squeeze, Expand ...
std::span<const Rule> selection_rules();  // Gather, Slice, Concat, Split, Pad ...
std::span<const Rule> reduction_rules();
std::span<const Rule> product_rules();  // MatMul, Gemm, Einsum and their relatives
std::span<const Rule> window_rules();   // Conv, pools, Resize
std::span<const Rule> network_rules();  // norms, attention, LSTM, com.microsoft

// The rule for a node; null when there is none.
const Rule* find_rule(const OnnxNode& node);

// An extent that a number tells; unknown where it is no integer or negative.
std::int64_t extent_of(const Number& number);
// `axis` of a tensor of that rank, counted from its end where negative; empty when there is no such axis.
std::optional<std::size_t> axis_of(std::int64_t axis, std::size_t rank);
// What two tensors are brought to by numpy's rule. An unknown extent beside 1 or another unknown one stays so; beside
// any other it is that one. Empty where they do not agree.
std::optional<Extents> broadcast(const Extents& a, const Extents& b);
// a + b, a * b; unknown where one is, or beyond int64.
std::int64_t sum_of(std::int64_t a, std::int64_t b);
std::int64_t product_of(std::int64_t a, std::int64_t b);
std::int64_t product_of(std::span<const std::int64_t> extents);

}  // namespace octile
