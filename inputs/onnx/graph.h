// An ONNX model as one flat list of nodes: functions written out, the bodies of If, Loop and Scan beside what is around
// them, sorted so that every value is made before it is read, and every value with what is known of its shape.
//
// Nodes that leave a value what it is are gone: Identity, Dropout, a Cast between floats, QuantizeLinear and
// DequantizeLinear. What they yield is the value that they read. QLinearAdd and its like are the operators whose
// quantized form they are.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/onnx/number.h"

namespace octile {

inline constexpr std::int64_t kUnknownExtent = -1;
using Extents = std::vector<std::int64_t>;  // each >= 0, or kUnknownExtent

bool is_known(const Extents& extents);
// Of all elements; empty where an extent is unknown or the product beyond int64.
std::optional<std::int64_t> elements_of(const Extents& extents);

using OnnxAttributes = google::protobuf::RepeatedPtrField<onnx::AttributeProto>;

// A function's call, for the nodes inside that refer to its attributes.
struct OnnxCall {
    const OnnxCall* caller = nullptr;  // of the function that calls; null: the graph does
    const onnx::NodeProto* node = nullptr;
    const OnnxAttributes* defaults = nullptr;  // of attributes that the call does not have
};

// One of the graphs that a node holds.
struct OnnxBody {
    int parent = -1;  // body around it; -1: the graph
    const onnx::NodeProto* node = nullptr;
    const OnnxCall* call = nullptr;  // of the node: a function may be called more than once
    std::string_view attribute;      // then_branch, else_branch, body
};

struct OnnxValue {
    std::string_view name;                      // as in the file
    int producer = -1;                          // -1: an input or constant
    std::vector<int> readers;                   // nodes in order, once each
    bool is_output = false;                     // of the graph
    bool is_input = false;                      // of the graph
    std::optional<Extents> shape;               // empty: not even the rank
    std::optional<Contents> contents;           // empty: unknown, or more than shape arithmetic needs
    const onnx::TensorProto* tensor = nullptr;  // the parameter that it is, or is made of; null unless constant
    bool constant = false;                      // depends on no input
    bool quantizes = false;                     // a scale or zero point of other values
};

struct OnnxNode {
    const onnx::NodeProto* proto = nullptr;
    const OnnxCall* call = nullptr;
    std::string_view op;       // of ONNX or com.microsoft; the float operator of a quantized one
    std::string_view domain;   // "" for ONNX's own
    std::int64_t opset = 0;    // of ONNX
    int body = -1;             // index of the OnnxBody that it is in; -1: the graph
    std::vector<int> inputs;   // values; -1: left out
    std::vector<int> outputs;  // values; -1: left out

    // The value; -1 where there is no such input.
    int input(std::size_t i) const { return i < inputs.size() ? inputs[i] : -1; }
    int output(std::size_t i) const { return i < outputs.size() ? outputs[i] : -1; }
    bool contrib() const { return domain == "com.microsoft"; }
};

struct OnnxGraph {
    std::vector<OnnxNode> nodes;
    std::vector<OnnxValue> values;
    std::vector<OnnxBody> bodies;
    std::deque<OnnxCall> calls;
    std::deque<OnnxAttributes> defaults;  // of functions

    const OnnxValue* value(int id) const { return id < 0 ? nullptr : &values[static_cast<std::size_t>(id)]; }
    const OnnxNode* producer(int id) const;
    bool is_constant(int id) const { return id >= 0 && values[static_cast<std::size_t>(id)].constant; }
    // The value of a constant of one element.
    std::optional<double> scalar(int id) const;
    const std::optional<Extents>& shape(int id) const;
    // Empty where it is unknown, or there is no such value.
    std::optional<std::int64_t> last_extent(int id) const;
    // The only node that reads a value, if there is one and the graph does not hand the value out.
    std::optional<int> only_reader(int id) const;
};

// The attribute of that name, the caller's where a node in a function refers to it; null when there is none.
const onnx::AttributeProto* find_attribute(const OnnxNode& node, std::string_view name);
std::int64_t integer_attribute(const OnnxNode& node, std::string_view name, std::int64_t absent);
double real_attribute(const OnnxNode& node, std::string_view name, double absent);
std::string_view text_attribute(const OnnxNode& node, std::string_view name, std::string_view absent);
std::optional<std::vector<std::int64_t>> integers_attribute(const OnnxNode& node, std::string_view name);

}  // namespace octile
