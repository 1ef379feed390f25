#include "inputs/onnx_graph.h"

#include <fmt/format.h>
#include <fp16.h>
#include <onnx/shape_inference/implementation.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <utility>

#include "base/mapped_file.h"
#include "inputs/layer_rules.h"
#include "inputs/messages.h"

namespace octile {
namespace {

using onnx::TensorProto;

// Operators whose output is the first input in another form, with the same elements.
constexpr std::array<std::string_view, 9> kForms = {"Transpose",        "Cast",           "Identity",
                                                    "DequantizeLinear", "QuantizeLinear", "Reshape",
                                                    "Unsqueeze",        "Squeeze",        "Flatten"};

// Operators of com.microsoft and of newer operator sets, which libonnx may not know, whose output has the shape of the
// first input.
constexpr std::array<std::string_view, 16> kSameShape = {"Gelu",
                                                         "FastGelu",
                                                         "BiasGelu",
                                                         "QuickGelu",
                                                         "SkipLayerNormalization",
                                                         "SimplifiedLayerNormalization",
                                                         "Cast",
                                                         "SkipSimplifiedLayerNormalization",
                                                         "LayerNormalization",
                                                         "RMSNormalization",
                                                         "Softmax",
                                                         "Identity",
                                                         "Dropout",
                                                         "Relu",
                                                         "QuantizeLinear",
                                                         "DequantizeLinear"};

constexpr std::array<std::string_view, 5> kBroadcasting = {"Add", "Sub", "Mul", "Div", "Pow"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

bool names_batch(std::string_view symbol) {
    return symbol.find("batch") != std::string_view::npos || symbol == "N";
}

std::optional<Shape> shape_of(const onnx::TypeProto& type) {
    if (!type.has_tensor_type() || !type.tensor_type().has_shape()) return std::nullopt;
    Shape shape;
    for (const auto& dim : type.tensor_type().shape().dim()) {
        if (!dim.has_dim_value() || dim.dim_value() < 0) return std::nullopt;
        shape.push_back(dim.dim_value());
    }
    return shape;
}

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
    Shape out(std::max(a.size(), b.size()), 1);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
        if (x != y && x != 1 && y != 1) return std::nullopt;
        out[out.size() - 1 - i] = x == 1 ? y : x;
    }
    return out;
}

template <typename T>
std::optional<T> first_raw(const TensorProto& tensor) {
    if (tensor.raw_data().size() != sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, tensor.raw_data().data(), sizeof(T));
    return value;
}

// The only element of a tensor, from raw_data or from the field of its type.
std::optional<double> element_of(const TensorProto& tensor) {
    const auto pick = [&](const auto& field, auto raw) -> std::optional<double> {
        using T = decltype(raw);
        if (tensor.has_raw_data()) {
            const std::optional<T> value = first_raw<T>(tensor);
            return value ? std::optional<double>(static_cast<double>(*value)) : std::nullopt;
        }
        return field.size() == 1 ? std::optional<double>(static_cast<double>(field.Get(0))) : std::nullopt;
    };
    switch (tensor.data_type()) {
        case TensorProto::FLOAT:
            return pick(tensor.float_data(), float());
        case TensorProto::DOUBLE:
            return pick(tensor.double_data(), double());
        case TensorProto::INT64:
            return pick(tensor.int64_data(), std::int64_t());
        case TensorProto::INT32:
            return pick(tensor.int32_data(), std::int32_t());
        case TensorProto::FLOAT16:
        case TensorProto::BFLOAT16: {
            std::optional<std::uint16_t> bits = first_raw<std::uint16_t>(tensor);
            if (!tensor.has_raw_data() && tensor.int32_data_size() == 1)
                bits = static_cast<std::uint16_t>(tensor.int32_data(0));
            if (!bits) return std::nullopt;
            if (tensor.data_type() == TensorProto::FLOAT16) return static_cast<double>(fp16_ieee_to_fp32_value(*bits));
            return static_cast<double>(fp32_from_bits(static_cast<std::uint32_t>(*bits) << 16));
        }
        default:
            return std::nullopt;
    }
}

// What an exception of libonnx says, made fit for one line.
std::string one_line(std::string_view what) {
    std::string text;
    for (const char c : what.substr(0, 300))
        text += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
    return internal::is_printable(text) ? text : internal::quote(text);
}

// Values of a constant of integers; empty for anything else.
std::vector<std::int64_t> integers_of(const onnx::GraphProto& graph, const std::string& name) {
    for (const TensorProto& tensor : graph.initializer()) {
        if (tensor.name() != name || tensor.data_type() != TensorProto::INT64) continue;
        if (!tensor.has_raw_data()) return {tensor.int64_data().begin(), tensor.int64_data().end()};
        std::vector<std::int64_t> values(tensor.raw_data().size() / sizeof(std::int64_t));
        if (!values.empty()) std::memcpy(values.data(), tensor.raw_data().data(), values.size() * sizeof(std::int64_t));
        return values;
    }
    return {};
}

// Squeeze, Unsqueeze, ReduceSum and Split before operator set 13: the attribute becomes an input.
void axes_to_input(onnx::GraphProto& graph) {
    const int nodes = graph.node_size();
    for (int i = 0; i < nodes; ++i) {
        onnx::NodeProto& node = *graph.mutable_node(i);
        const std::string& op = node.op_type();
        if ((op != "Squeeze" && op != "Unsqueeze" && op != "ReduceSum" && op != "Split") || node.input_size() != 1)
            continue;
        const onnx::AttributeProto* const axes = find_attribute(node, op == "Split" ? "split" : "axes");
        if (axes == nullptr) continue;
        TensorProto* const input = graph.add_initializer();
        input->set_name(fmt::format("octile.axes.{}", i));
        input->set_data_type(TensorProto::INT64);
        input->add_dims(axes->ints_size());
        for (const std::int64_t axis : axes->ints())
            input->add_int64_data(axis);
        node.add_input(input->name());
        auto& attributes = *node.mutable_attribute();
        attributes.erase(attributes.begin() + (axes - &attributes.Get(0)));
    }
}

// ReduceMean and its like from operator set 18 on: the input becomes the attribute that it was.
void axes_to_attribute(onnx::GraphProto& graph) {
    for (onnx::NodeProto& node : *graph.mutable_node()) {
        if (!node.op_type().starts_with("Reduce") || node.op_type() == "ReduceSum" || node.input_size() != 2) continue;
        const std::vector<std::int64_t> axes = integers_of(graph, node.input(1));
        if (axes.empty()) continue;
        onnx::AttributeProto* const attribute = node.add_attribute();
        attribute->set_name("axes");
        attribute->set_type(onnx::AttributeProto::INTS);
        for (const std::int64_t axis : axes)
            attribute->add_ints(axis);
        node.mutable_input()->RemoveLast();
    }
}

// libonnx's inference, with values of shapes carried along. It does that from operator set 13 on, to Reshape from 14
// on, and knows sets up to 17: others are brought to one of these where what changed matters to shapes.
void infer_shapes(onnx::ModelProto& model) {
    constexpr std::int64_t kFirst = 14, kLast = 17;
    for (onnx::OperatorSetIdProto& set : *model.mutable_opset_import()) {
        if (!set.domain().empty() && set.domain() != "ai.onnx") continue;
        if (set.version() < 13) axes_to_input(*model.mutable_graph());
        if (set.version() > kLast) axes_to_attribute(*model.mutable_graph());
        set.set_version(std::clamp(set.version(), kFirst, kLast));
    }
    std::unordered_map<std::string, onnx::TensorShapeProto> values;
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(),
                                       onnx::ShapeInferenceOptions(false, 0, true), &values);
}

}  // namespace

const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, std::string_view name) {
    for (const onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.name() == name) return &attribute;
    }
    return nullptr;
}

Result<OnnxGraph> OnnxGraph::open(const std::filesystem::path& path, std::optional<std::int64_t> tokens) {
    const std::string file = display(path);
    Result<MappedFile> mapped = MappedFile::open(path);
    if (!mapped.ok()) return mapped.status();
    const std::span<const std::byte> bytes = mapped->bytes();
    if (bytes.size() > INT32_MAX) {
        return parse_error(
            fmt::format("{}: expected at most 2 GB, which is protobuf's limit, found {} bytes: keep the "
                        "weights in a file of their own (external data)",
                        file, bytes.size()));
    }
    OnnxGraph graph;
    graph.model_ = std::make_unique<onnx::ModelProto>();
    if (!graph.model_->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || bytes.empty()) {
        return parse_error(file + ": expected an ONNX model (protobuf), found something else or a part of one");
    }
    if (!graph.model_->has_graph()) return parse_error(file + ": graph: expected a graph, found none");
    if (Status status = graph.check_initializers(file); !status.ok()) return status;
    if (Status status = graph.bind_extents(file, tokens); !status.ok()) return status;
    try {
        infer_shapes(*graph.model_);
    } catch (const std::exception& error) {
        return parse_error(fmt::format("{}: expected shapes that agree, found: {}", file, one_line(error.what())));
    }
    graph.index();
    graph.fill_in_shapes();
    return graph;
}

Status OnnxGraph::check_initializers(const std::string& file) const {
    for (const TensorProto& tensor : graph().initializer()) {
        for (const std::int64_t extent : tensor.dims()) {
            if (extent >= 0 && extent <= kMaxExtent) continue;
            return parse_error(fmt::format("{}: initializer {}: dims: expected integers from 0 to {}, found {}", file,
                                           internal::quote(tensor.name()), kMaxExtent, extent));
        }
    }
    return {};
}

Status OnnxGraph::bind_extents(const std::string& file, std::optional<std::int64_t> tokens) {
    onnx::GraphProto& graph = *model_->mutable_graph();
    std::unordered_set<std::string> initializers;
    for (const TensorProto& tensor : graph.initializer())
        initializers.insert(tensor.name());
    std::unordered_map<std::string, std::int64_t> symbols;
    for (onnx::ValueInfoProto& input : *graph.mutable_input()) {
        if (initializers.contains(input.name()) || !input.type().has_tensor_type()) continue;
        auto& dims = *input.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim();
        for (int i = 0; i < dims.size(); ++i) {
            auto& dim = *dims.Mutable(i);
            if (dim.has_dim_value() && dim.dim_value() > 0) {
                if (dim.dim_value() <= kMaxExtent) continue;
                return parse_error(fmt::format("{}: input {}: dimension {}: {}", file, internal::quote(input.name()), i,
                                               wrong_extent("m", std::to_string(dim.dim_value()))));
            }
            const std::string symbol = dim.dim_param();
            const auto known = symbols.find(symbol);
            std::int64_t value = 1;
            if (!symbol.empty() && known != symbols.end()) {
                value = known->second;
            } else if (!(names_batch(symbol) || (i == 0 && dims.size() > 1))) {
                const std::string place =
                    fmt::format("{}: input {}: dimension {}", file, internal::quote(input.name()), i);
                if (dims.size() > 3) {
                    return {StatusCode::kInvalidArgument,
                            place + " is open and no number of tokens: expected a graph with a fixed one"};
                }
                if (!tokens) {
                    return {StatusCode::kInvalidArgument,
                            fmt::format("{} is open{}{}: expected --tokens N", place, symbol.empty() ? "" : ", ",
                                        symbol.empty() ? "" : internal::quote(symbol))};
                }
                value = *tokens;
                uses_tokens_ = true;
            }
            if (!symbol.empty()) symbols[symbol] = value;
            dim.set_dim_value(value);
        }
    }
    // What is stored of other shapes was made before the extents were known; only where nodes are none of ONNX's own,
    // which libonnx does not infer, it is all there is.
    for (onnx::ValueInfoProto& output : *graph.mutable_output()) {
        if (output.type().has_tensor_type()) output.mutable_type()->mutable_tensor_type()->clear_shape();
    }
    const bool foreign = std::any_of(graph.node().begin(), graph.node().end(), [](const onnx::NodeProto& node) {
        return !node.domain().empty() && node.domain() != "ai.onnx";
    });
    if (!foreign) graph.clear_value_info();
    for (onnx::ValueInfoProto& value : *graph.mutable_value_info()) {
        if (!value.type().has_tensor_type() || !value.type().tensor_type().has_shape()) continue;
        for (auto& dim : *value.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim()) {
            const auto known = symbols.find(dim.dim_param());
            if (dim.has_dim_param() && known != symbols.end()) dim.set_dim_value(known->second);
        }
    }
    return {};
}

void OnnxGraph::index() {
    for (const TensorProto& tensor : graph().initializer())
        constants_.emplace(tensor.name(), &tensor);
    for (int i = 0; i < size(); ++i) {
        const onnx::NodeProto& made = node(i);
        for (const std::string& output : made.output())
            producers_.emplace(output, i);
        for (const std::string& input : made.input()) {
            std::vector<int>& readers = consumers_[input];
            if (readers.empty() || readers.back() != i) readers.push_back(i);
        }
        const onnx::AttributeProto* const value = find_attribute(made, "value");
        if (made.op_type() == "Constant" && made.output_size() == 1 && value != nullptr && value->has_t()) {
            constants_.emplace(made.output(0), &value->t());
        }
    }
    for (const onnx::ValueInfoProto& output : graph().output())
        outputs_.insert(output.name());
    const auto take = [&](const auto& values) {
        for (const onnx::ValueInfoProto& value : values) {
            if (std::optional<Shape> shape = shape_of(value.type())) shapes_.emplace(value.name(), std::move(*shape));
        }
    };
    for (const auto& [name, tensor] : constants_)
        shapes_.emplace(name, Shape(tensor->dims().begin(), tensor->dims().end()));
    take(graph().input());
    take(graph().output());
    take(graph().value_info());
}

// Where shape inference stopped at an operator that it does not know, the shapes behind it by rules of our own.
void OnnxGraph::fill_in_shapes() {
    for (int i = 0; i < size(); ++i) {
        const onnx::NodeProto& made = node(i);
        if (made.output_size() == 0 || shapes_.contains(made.output(0))) continue;
        if (std::optional<Shape> shape = shape_by_rule(made)) shapes_.emplace(made.output(0), std::move(*shape));
    }
}

std::optional<Shape> OnnxGraph::shape_by_rule(const onnx::NodeProto& made) const {
    const std::string& op = made.op_type();
    const auto input = [&](int i) { return i < made.input_size() ? shape(made.input(i)) : std::optional<Shape>(); };
    const std::optional<Shape> first = input(0);
    if (contains(kSameShape, op)) return first;
    const std::optional<Shape> second = input(1);
    if (contains(kBroadcasting, op)) return first && second ? broadcast(*first, *second) : std::nullopt;
    if (op == "EmbedLayerNormalization") {
        std::optional<Shape> out = first;
        const std::optional<Shape> table = input(2);
        if (!out || !table || table->size() != 2) return std::nullopt;
        out->push_back(table->back());
        return out;
    }
    const bool product = op == "MatMul" || op == "MatMulInteger" || op == "FusedMatMul" ||
                         op == "MatMulIntegerToFloat" || op == "DynamicQuantizeMatMul";
    if ((product || op == "Attention") && first && second && !first->empty() && second->size() == 2) {
        Shape out = *first;
        out.back() = op == "Attention" ? second->back() / 3 : second->back();
        return out;
    }
    return std::nullopt;
}

std::optional<int> OnnxGraph::producer(std::string_view value) const {
    const auto found = producers_.find(value);
    return found == producers_.end() ? std::nullopt : std::optional(found->second);
}

const std::vector<int>& OnnxGraph::consumers(std::string_view value) const {
    static const std::vector<int> kNone;
    const auto found = consumers_.find(value);
    return found == consumers_.end() ? kNone : found->second;
}

std::optional<Shape> OnnxGraph::shape(std::string_view value) const {
    const auto found = shapes_.find(value);
    return found == shapes_.end() ? std::nullopt : std::optional(found->second);
}

const onnx::TensorProto* OnnxGraph::constant(std::string_view value) const {
    for (int steps = 0; steps < 16; ++steps) {  // a graph that is wrong may go in circles
        if (const auto found = constants_.find(value); found != constants_.end()) return found->second;
        const std::optional<int> made = producer(value);
        if (!made || !contains(kForms, node(*made).op_type()) || node(*made).input_size() == 0) return nullptr;
        value = node(*made).input(0);
    }
    return nullptr;
}

std::optional<double> OnnxGraph::scalar(std::string_view value) const {
    const std::optional<int> made = producer(value);
    if (made && node(*made).op_type() == "Constant") {
        if (const auto* const number = find_attribute(node(*made), "value_float"))
            return static_cast<double>(number->f());
        if (const auto* const number = find_attribute(node(*made), "value_int"))
            return static_cast<double>(number->i());
    }
    const onnx::TensorProto* const tensor = constant(value);
    if (tensor == nullptr) return std::nullopt;
    for (const std::int64_t extent : tensor->dims()) {
        if (extent != 1) return std::nullopt;
    }
    return element_of(*tensor);
}

}  // namespace octile
