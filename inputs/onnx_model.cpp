#include "inputs/onnx_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <exception>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "inputs/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/onnx_graph.h"
#include "inputs/onnx_patterns.h"
#include "inputs/unique_layers.h"

namespace octile {
namespace {

// Where an operator has its operands; bias -1: none.
struct LinearOp {
    std::string_view op;
    int lhs, rhs, bias;
};
constexpr std::array<LinearOp, 12> kLinearOps = {{{"MatMul", 0, 1, -1},
                                                  {"FusedMatMul", 0, 1, -1},
                                                  {"Gemm", 0, 1, 2},
                                                  {"FusedGemm", 0, 1, 2},
                                                  {"MatMulInteger", 0, 1, -1},
                                                  {"QLinearMatMul", 0, 3, -1},
                                                  {"MatMulIntegerToFloat", 0, 1, 6},
                                                  {"DynamicQuantizeMatMul", 0, 1, 4},
                                                  {"QGemm", 0, 3, 6},
                                                  {"Attention", 0, 1, 2},
                                                  {"QAttention", 0, 1, 2},
                                                  {"FusedDense", 0, 1, 2}}};

// Thrown and caught in this file.
struct Wrong {
    Status status;
};

class LayerReader {
  public:
    LayerReader(const OnnxGraph& graph, std::string file) : graph_(graph), file_(std::move(file)) {}

    std::vector<Layer> run() {
        for (int i = 0; i < graph_.size(); ++i) {
            const onnx::NodeProto& node = graph_.node(i);
            if (const auto norm = find_norm(graph_, node)) {
                add_norm(node, *norm);
            } else {
                const auto* const op = std::find_if(kLinearOps.begin(), kLinearOps.end(),
                                                    [&](const LinearOp& known) { return known.op == node.op_type(); });
                if (op == kLinearOps.end() || !add_linear(node, *op)) pass_on(node);
            }
        }
        return std::move(layers_.model().layers);
    }

  private:
    using Sources = std::vector<std::size_t>;  // layers, in order

    [[noreturn]] void fail(const onnx::NodeProto& node, std::string_view text) const {
        const std::string& name = node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
        throw Wrong{parse_error(fmt::format("{}: node {} ({}): {}", file_, internal::quote(name),
                                            internal::is_printable(node.op_type()) ? node.op_type() : "?", text))};
    }

    Shape shape_of(const onnx::NodeProto& node, int input) const {
        const std::optional<Shape> shape = graph_.shape(node.input(input));
        if (!shape) {
            fail(node, fmt::format("input {}: expected a shape that can be inferred, found none",
                                   internal::quote(node.input(input))));
        }
        return *shape;
    }

    // Rows of a matrix or a batch of them: everything but the last extent.
    std::int64_t rows_of(const onnx::NodeProto& node, const Shape& shape, std::size_t row_extents) const {
        std::int64_t rows = 1;
        for (std::size_t i = 0; i < row_extents; ++i) {
            if (shape[i] < 1 || shape[i] > kMaxExtent / rows) {
                fail(node, "m: " + wrong_extent("m", fmt::format("[{}]", fmt::join(shape, ", "))));
            }
            rows *= shape[i];
        }
        return rows;
    }

    // A node with constant weights becomes a layer; false for any other.
    bool add_linear(const onnx::NodeProto& node, const LinearOp& op) {
        if (node.input_size() <= std::max(op.lhs, op.rhs) || node.output_size() == 0) {
            fail(node, fmt::format("expected at least {} inputs and an output, found {} and {}",
                                   std::max(op.lhs, op.rhs) + 1, node.input_size(), node.output_size()));
        }
        const onnx::TensorProto* const weights = graph_.constant(node.input(op.rhs));
        if (weights == nullptr || graph_.constant(node.input(op.lhs)) != nullptr) return false;
        const Shape w = shape_of(node, op.rhs);
        if (w.size() != 2) return false;  // a batch of products, or a vector
        const Shape x = shape_of(node, op.lhs);
        if (x.empty()) fail(node, "expected an input of at least one dimension, found a scalar");
        const bool transposed_x = flag(node, "transA"), transposed_w = flag(node, "transB");
        if (transposed_x && x.size() != 2) fail(node, "transA: expected an input of two dimensions");

        Layer layer;
        layer.name = name_of(node, weights->name());
        layer.m = transposed_x ? rows_of(node, {x[1]}, 1) : rows_of(node, x, x.size() - 1);
        layer.k = transposed_w ? w[1] : w[0];
        layer.n = transposed_w ? w[0] : w[1];
        const std::int64_t found_k = transposed_x ? x[0] : x.back();
        if (found_k != layer.k) fail(node, fmt::format("k: expected {} as in the weights, found {}", layer.k, found_k));
        layer.bias = op.bias >= 0 && op.bias < node.input_size() && !node.input(op.bias).empty();
        const int type = weights->data_type();
        if (type == onnx::TensorProto::INT8 || type == onnx::TensorProto::UINT8) layer.weights = WeightForm::kInt8;
        const bool attention = op.op == "Attention" || op.op == "QAttention";
        if (!attention) follow(node, layer);
        layer.inputs = input_names(sources_of(node.input(op.lhs)));
        emit(node, std::move(layer), node.output(0));
        return true;
    }

    static bool flag(const onnx::NodeProto& node, std::string_view name) {
        const onnx::AttributeProto* const attribute = find_attribute(node, name);
        return attribute != nullptr && attribute->i() != 0;
    }

    // Bias and activation behind a linear.
    void follow(const onnx::NodeProto& node, Layer& layer) const {
        std::string value = node.output(0);
        for (int steps = 0; steps < 8; ++steps) {
            const std::optional<int> next = only_consumer(graph_, value);
            if (!next || graph_.node(*next).output_size() != 1) break;
            const onnx::NodeProto& reader = graph_.node(*next);
            const std::string& op = reader.op_type();
            const std::string_view operand = other_operand(reader, value);
            const bool biased = (op == "BiasGelu" || op == "FastGelu") && is_vector(graph_, operand, layer.n);
            const bool adds = op == "Add" && is_vector(graph_, operand, layer.n);
            if ((biased || adds) && layer.bias) return;
            if (biased) {
                layer.bias = true;
                layer.activation = Activation::kGelu;
                return;
            }
            if (adds) {
                layer.bias = true;
            } else if (op != "Cast" && op != "Identity" && op != "QuantizeLinear" && op != "DequantizeLinear" &&
                       !(op == "Mul" && node.op_type() == "MatMulInteger" && !layer.bias && graph_.producer(operand))) {
                break;
            }
            value = reader.output(0);
        }
        if (const auto found = find_activation(graph_, value)) layer.activation = found->activation;
    }

    void add_norm(const onnx::NodeProto& node, const FoundNorm& norm) {
        const std::optional<Shape> shape = graph_.shape(norm.input);
        if (!shape || shape->empty()) {
            fail(node, fmt::format("input {}: expected a shape that can be inferred, found none",
                                   internal::quote(norm.input)));
        }
        Layer layer;
        layer.op = Op::kLayerNorm;
        layer.m = rows_of(node, *shape, shape->size() - 1);
        layer.k = layer.n = shape->back();
        layer.bias = norm.bias;
        // Written as a float: the decimal that stands for it, 1e-12 and not 9.99999996004197e-13.
        if (norm.epsilon && *norm.epsilon > 0 && *norm.epsilon < 1)
            layer.epsilon = std::stod(fmt::format("{}", static_cast<float>(*norm.epsilon)));
        layer.name = name_of(node, norm.scale);
        layer.inputs = input_names(sources_of(norm.input));
        emit(node, std::move(layer), norm.output);
        if (norm.output != node.output(0)) sources_[node.output(0)] = sources_[norm.output];
        // A norm that adds first hands out the sum too.
        if (node.output_size() == 4) sources_[node.output(3)] = sources_[norm.output];
    }

    void emit(const onnx::NodeProto& node, Layer layer, const std::string& output) {
        if (const auto error = check_layer(layer)) fail(node, fmt::format("{}: {}", error->field, error->text));
        layers_.add(std::move(layer), UniqueLayers::Recurrence::kOtherLayer);
        sources_[output] = {layers_.model().layers.size() - 1};
    }

    // Which layers a node's outputs come from, for one that is no layer. Of an addition it is the later operand's: the
    // other is a residual.
    void pass_on(const onnx::NodeProto& node) {
        constexpr std::size_t kMost = 8;
        Sources sources;
        for (const std::string& input : node.input()) {
            const Sources found = sources_of(input);
            if (node.op_type() == "Add" && !sources.empty() && !found.empty()) {
                if (found.back() > sources.back()) sources = found;
                continue;
            }
            sources.insert(sources.end(), found.begin(), found.end());
        }
        std::sort(sources.begin(), sources.end());
        sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
        if (sources.size() > kMost) sources.erase(sources.begin(), sources.end() - kMost);
        for (const std::string& output : node.output())
            sources_.try_emplace(output, sources);
    }

    Sources sources_of(const std::string& value) const {
        const auto found = sources_.find(value);
        return found == sources_.end() ? Sources() : found->second;
    }

    // Empty where the default, the layer before, is right or nothing is known.
    std::vector<std::string> input_names(const Sources& sources) {
        const std::vector<Layer>& layers = layers_.model().layers;
        if (sources.empty() || (sources.size() == 1 && sources.front() + 1 == layers.size())) return {};
        std::vector<std::string> names;
        for (const std::size_t source : sources)
            names.push_back(layers[source].name);
        return names;
    }

    // As the checkpoint has it where the graph tells: a parameter "fc.weight", or a node "/encoder/fc/MatMul".
    static std::string name_of(const onnx::NodeProto& node, std::string_view parameter) {
        for (const std::string_view suffix : {"_quantized", ".weight", ".gamma"}) {
            if (!parameter.ends_with(suffix)) continue;
            parameter.remove_suffix(suffix.size());
            if (suffix != "_quantized" && !parameter.empty() && parameter.find("::") == std::string_view::npos)
                return std::string(parameter);
        }
        const std::string& name = node.name();
        const std::size_t slash = name.rfind('/');
        if (name.starts_with('/') && slash > 0 && slash + 1 < name.size()) {
            std::string path = name.substr(1, slash - 1);
            std::replace(path.begin(), path.end(), '/', '.');
            return path;
        }
        return !name.empty() ? name : node.output(0);
    }

    const OnnxGraph& graph_;
    std::string file_;
    UniqueLayers layers_;
    std::unordered_map<std::string, Sources> sources_;
};

}  // namespace

Result<Model> read_onnx_model(const std::filesystem::path& path, std::optional<std::int64_t> tokens) {
    const std::string file = display(path);
    try {
        const Result<OnnxGraph> graph = OnnxGraph::open(path, tokens);
        if (!graph.ok()) return graph.status();
        Model model = {.name = display(path.stem()), .layers = LayerReader(graph.value(), file).run()};
        const auto is_linear = [](const Layer& layer) { return layer.op == Op::kLinear; };
        if (std::none_of(model.layers.begin(), model.layers.end(), is_linear)) {
            return parse_error(
                fmt::format("{}: expected at least one MatMul, Gemm, MatMulInteger or QLinearMatMul with "
                            "constant weights, found none among {} nodes",
                            file, graph->size()));
        }
        if (tokens && !graph->uses_tokens()) {
            for (Layer& layer : model.layers)
                layer.m = *tokens;
        }
        return model;
    } catch (const Wrong& wrong) {
        return wrong.status;
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& error) {  // libonnx and protobuf throw
        return parse_error(fmt::format("{}: expected an ONNX model, found: {}", file, internal::quote(error.what())));
    }
}

}  // namespace octile
