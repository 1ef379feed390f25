#include "inputs/onnx/flatten.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "inputs/layer_lists/layer_rules.h"
#include "inputs/messages.h"
#include "inputs/onnx/node_order.h"
#include "inputs/onnx/quantized_forms.h"
#include "inputs/onnx/rules.h"
#include "inputs/onnx/tensor.h"

namespace octile {
namespace {

using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

// Thrown and caught in this file.
struct Wrong {
    std::string text;
};

struct Function {
    const onnx::FunctionProto* proto = nullptr;
    const OnnxAttributes* defaults = nullptr;
};

// Fields that libonnx 1.12 does not know.
constexpr int kFunctionDefaults = 11, kFunctionOverload = 13, kNodeOverload = 8;

template <typename Message>
std::string text_field(const Message& message, int number) {
    for (int i = 0; i < message.unknown_fields().field_count(); ++i) {
        const auto& field = message.unknown_fields().field(i);
        if (field.number() == number && field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED)
            return field.length_delimited();
    }
    return {};
}

std::string key_of(std::string_view domain, std::string_view name, std::string_view overload) {
    return fmt::format("{}\n{}\n{}", domain, name, overload);
}

std::string_view plain_domain(std::string_view domain) {
    return domain == "ai.onnx" ? std::string_view() : domain;
}

template <typename Imports>
std::optional<std::int64_t> opset_of(const Imports& imports) {
    for (const onnx::OperatorSetIdProto& set : imports) {
        if (plain_domain(set.domain()).empty()) return set.version();
    }
    return std::nullopt;
}

// Names as one graph, body or function sees them.
struct Scope {
    const Scope* around = nullptr;  // of a body; null: nothing else is seen
    const OnnxCall* call = nullptr;
    int body = -1;
    std::int64_t opset = 0;
    bool called = false;  // inside a function
    std::unordered_map<std::string_view, int> values;
    std::unordered_map<std::string_view, const onnx::TypeProto*> declared;

    std::optional<int> find(std::string_view name) const {
        for (const Scope* scope = this; scope != nullptr; scope = scope->around) {
            if (const auto found = scope->values.find(name); found != scope->values.end()) return found->second;
        }
        return std::nullopt;
    }
};

class Flattener {
  public:
    Flattener(const onnx::ModelProto& model, std::size_t bytes, const Dimensions& dimensions)
        : model_(model),
          dimensions_(dimensions),
          budget_(limits::kOnnxAllElements + bytes),
          called_left_(limits::kOnnxCalledNodes + bytes / limits::kOnnxBytesPerCalledNode) {
        for (const onnx::FunctionProto& function : model.functions()) {
            OnnxAttributes& defaults = graph_.defaults.emplace_back();
            for (int i = 0; i < function.unknown_fields().field_count(); ++i) {
                const auto& field = function.unknown_fields().field(i);
                if (field.number() == kFunctionDefaults &&
                    field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED &&
                    !defaults.Add()->ParseFromString(field.length_delimited())) {
                    defaults.RemoveLast();
                }
            }
            functions_.emplace(
                key_of(plain_domain(function.domain()), function.name(), text_field(function, kFunctionOverload)),
                Function{&function, &defaults});
        }
    }

    OnnxGraph run() {
        Scope scope;
        scope.opset = opset_of(model_.opset_import()).value_or(1);
        const onnx::GraphProto& graph = model_.graph();
        add_constants(graph, scope);
        for (const onnx::ValueInfoProto& input : graph.input()) {
            if (scope.values.contains(input.name())) continue;
            const int id = make_value(input.name());
            value(id).is_input = true;
            value(id).shape = dimensions_.input_extents(input);
            scope.values.emplace(input.name(), id);
        }
        add_nodes(graph, scope, 0);
        for (const onnx::ValueInfoProto& output : graph.output()) {
            if (const std::optional<int> id = scope.find(output.name())) value(*id).is_output = true;
        }
        return std::move(graph_);
    }

  private:
    OnnxValue& value(int id) { return graph_.values[static_cast<std::size_t>(id)]; }

    int make_value(std::string_view name) {
        graph_.values.emplace_back().name = name;
        return static_cast<int>(graph_.values.size()) - 1;
    }

    void add_constants(const onnx::GraphProto& graph, Scope& scope) {
        const auto add = [&](const onnx::TensorProto& tensor, std::optional<Extents> extents) {
            const int id = make_value(tensor.name());
            value(id).constant = true;
            value(id).tensor = &tensor;
            value(id).shape = std::move(extents);
            scope.values.emplace(tensor.name(), id);
        };
        for (const onnx::TensorProto& tensor : graph.initializer()) {
            for (const std::int64_t extent : tensor.dims()) {
                if (extent >= 0 && extent <= kMaxExtent) continue;
                throw Wrong{fmt::format("initializer {}: dims: expected integers from 0 to {}, found {}",
                                        internal::quote(tensor.name()), kMaxExtent, extent)};
            }
            add(tensor, extents_of(tensor));
            value(static_cast<int>(graph_.values.size()) - 1).contents = contents_of(tensor);
        }
        for (const onnx::SparseTensorProto& sparse : graph.sparse_initializer()) {
            const bool fine = static_cast<std::size_t>(sparse.dims_size()) <= limits::kRank &&
                              std::all_of(sparse.dims().begin(), sparse.dims().end(),
                                          [](std::int64_t extent) { return extent >= 0 && extent <= kMaxExtent; });
            add(sparse.values(),
                fine ? std::optional(Extents(sparse.dims().begin(), sparse.dims().end())) : std::nullopt);
        }
    }

    void add_nodes(const onnx::GraphProto& graph, Scope& scope, std::size_t depth) {
        for (const auto* const list : {&graph.value_info(), &graph.output()}) {
            for (const onnx::ValueInfoProto& info : *list)
                scope.declared.emplace(info.name(), &info.type());
        }
        add_nodes(graph.node(), scope, depth);
    }

    void add_nodes(const Nodes& nodes, Scope& scope, std::size_t depth) {
        const NodeOrder order = order_of(nodes);
        if (order.in_circle != nullptr) {
            throw Wrong{fmt::format("{}: expected nodes that wait for others only, found one that waits for itself",
                                    describe(*order.in_circle))};
        }
        for (const onnx::NodeProto* const node : order.nodes)
            add_node(*node, scope, depth);
    }

    std::vector<int> inputs_of(const onnx::NodeProto& node, const Scope& scope) {
        std::vector<int> ids;
        for (const std::string& name : node.input()) {
            if (name.empty()) {
                ids.push_back(-1);
                continue;
            }
            const std::optional<int> id = scope.find(name);
            if (!id) {
                throw Wrong{fmt::format("{}: input {}: expected a shape and a node that makes it, found neither",
                                        describe(node), internal::quote(name))};
            }
            ids.push_back(*id);
        }
        return ids;
    }

    void add_node(const onnx::NodeProto& node, Scope& scope, std::size_t depth) {
        if (depth > limits::kOnnxDepth) {
            throw Wrong{fmt::format("{}: expected at most {} functions and bodies inside each other, found more",
                                    describe(node), limits::kOnnxDepth)};
        }
        if (scope.called) charge(node, 1);
        std::vector<int> inputs = inputs_of(node, scope);
        const auto function =
            functions_.find(key_of(plain_domain(node.domain()), node.op_type(), text_field(node, kNodeOverload)));
        if (function != functions_.end()) return call(node, function->second, inputs, scope, depth);
        if (node.op_type() == "If" && inputs.size() == 1) return add_if(node, inputs, scope, depth);
        const bool holds_graphs = std::any_of(node.attribute().begin(), node.attribute().end(),
                                              [](const onnx::AttributeProto& attribute) { return attribute.has_g(); });
        if (holds_graphs) return add_bodies(node, std::move(inputs), scope, depth);
        add_operator(node, std::move(inputs), scope);
    }

    void charge(const onnx::NodeProto& node, std::size_t nodes) {
        if (nodes > called_left_) {
            throw Wrong{
                fmt::format("{}: expected functions that write out to nodes in proportion to the file's size, "
                            "found more",
                            describe(node))};
        }
        called_left_ -= nodes;
    }

    void call(const onnx::NodeProto& node, const Function& function, const std::vector<int>& inputs, Scope& scope,
              std::size_t depth) {
        const onnx::FunctionProto& proto = *function.proto;
        charge(node, static_cast<std::size_t>(proto.input_size() + proto.output_size() + proto.node_size()));
        Scope inside;
        inside.call = &graph_.calls.emplace_back(OnnxCall{scope.call, &node, function.defaults});
        inside.body = scope.body;
        inside.opset = opset_of(proto.opset_import()).value_or(scope.opset);
        inside.called = true;
        for (int i = 0; i < proto.input_size(); ++i) {
            const auto at = static_cast<std::size_t>(i);
            const bool given = at < inputs.size() && inputs[at] >= 0;
            inside.values.emplace(proto.input(i), given ? inputs[at] : make_value(proto.input(i)));
        }
        add_nodes(proto.node(), inside, depth + 1);
        for (int i = 0; i < std::min(node.output_size(), proto.output_size()); ++i) {
            if (node.output(i).empty()) continue;
            const std::optional<int> made = inside.find(proto.output(i));
            declare(made ? *made : make_value(node.output(i)), node.output(i), scope);
        }
    }

    // Names a value in the scope, and takes over what the file says of its shape.
    void declare(int id, std::string_view name, Scope& scope) {
        scope.values.emplace(name, id);
        const auto found = scope.declared.find(name);
        std::optional<Extents> said =
            found == scope.declared.end() ? std::nullopt : dimensions_.extents_of(*found->second);
        OnnxValue& made = value(id);
        if (!said || made.constant) return;
        if (made.shape && made.shape->size() == said->size()) {
            for (std::size_t i = 0; i < said->size(); ++i) {
                if ((*said)[i] == kUnknownExtent) (*said)[i] = (*made.shape)[i];
            }
        }
        if (made.contents && elements_of(*said) != static_cast<std::int64_t>(made.contents->size()))
            made.contents.reset();
        made.shape = std::move(said);
    }

    void add_if(const onnx::NodeProto& node, std::vector<int> inputs, Scope& scope, std::size_t depth) {
        const std::optional<double> condition = graph_.scalar(inputs[0]);
        std::vector<std::vector<int>> outputs;
        for (const onnx::AttributeProto& attribute : node.attribute()) {
            if (!attribute.has_g()) continue;
            if (condition && (attribute.name() == "then_branch") != (*condition != 0)) continue;
            Scope branch = body_of(node, attribute, scope, condition.has_value());
            add_constants(attribute.g(), branch);
            add_nodes(attribute.g(), branch, depth + 1);
            outputs.push_back(outputs_of(attribute.g(), branch));
        }
        if (outputs.size() == 1) {
            for (int i = 0; i < node.output_size(); ++i) {
                const auto at = static_cast<std::size_t>(i);
                const int made = at < outputs[0].size() ? outputs[0][at] : -1;
                if (!node.output(i).empty())
                    declare(made >= 0 ? made : make_value(node.output(i)), node.output(i), scope);
            }
            return;
        }
        for (const std::vector<int>& branch : outputs)
            inputs.insert(inputs.end(), branch.begin(), branch.end());
        const int index = append(node, std::move(inputs), scope);
        for (int i = 0; i < node.output_size(); ++i) {
            const int id = graph_.nodes[static_cast<std::size_t>(index)].outputs[static_cast<std::size_t>(i)];
            if (id < 0) continue;
            for (std::size_t branch = 0; branch < outputs.size(); ++branch) {
                const auto at = static_cast<std::size_t>(i);
                const int made = at < outputs[branch].size() ? outputs[branch][at] : -1;
                value(id).shape = branch == 0 ? graph_.shape(made) : common(value(id).shape, graph_.shape(made));
            }
            declare(id, node.output(i), scope);
        }
    }

    // What two shapes agree on.
    static std::optional<Extents> common(const std::optional<Extents>& a, const std::optional<Extents>& b) {
        if (!a || !b || a->size() != b->size()) return std::nullopt;
        Extents out = *a;
        for (std::size_t i = 0; i < out.size(); ++i) {
            if (out[i] != (*b)[i]) out[i] = kUnknownExtent;
        }
        return out;
    }

    // Loop, Scan and whatever else runs graphs that it holds. Of what goes round a loop no shape is known but the
    // declared ones.
    void add_bodies(const onnx::NodeProto& node, std::vector<int> inputs, Scope& scope, std::size_t depth) {
        for (const onnx::AttributeProto& attribute : node.attribute()) {
            if (!attribute.has_g()) continue;
            Scope body = body_of(node, attribute, scope, false);
            add_constants(attribute.g(), body);
            for (const onnx::ValueInfoProto& input : attribute.g().input()) {
                if (body.values.contains(input.name())) continue;
                const int id = make_value(input.name());
                value(id).shape = dimensions_.extents_of(input.type());
                body.values.emplace(input.name(), id);
            }
            add_nodes(attribute.g(), body, depth + 1);
            const std::vector<int> outputs = outputs_of(attribute.g(), body);
            inputs.insert(inputs.end(), outputs.begin(), outputs.end());
        }
        const int index = append(node, std::move(inputs), scope);
        declare_outputs(index, scope);
    }

    Scope body_of(const onnx::NodeProto& node, const onnx::AttributeProto& attribute, const Scope& around,
                  bool inline_body) {
        Scope scope;
        scope.around = &around;
        scope.call = around.call;
        scope.opset = around.opset;
        scope.called = around.called;
        scope.body = around.body;
        if (inline_body) return scope;
        graph_.bodies.push_back({around.body, &node, around.call, attribute.name()});
        scope.body = static_cast<int>(graph_.bodies.size()) - 1;
        return scope;
    }

    static std::vector<int> outputs_of(const onnx::GraphProto& graph, const Scope& scope) {
        std::vector<int> ids;
        for (const onnx::ValueInfoProto& output : graph.output())
            ids.push_back(scope.find(output.name()).value_or(-1));
        return ids;
    }

    // A node with outputs of its own. Returns its number.
    int append(const onnx::NodeProto& node, std::vector<int> inputs, const Scope& scope) {
        const int index = static_cast<int>(graph_.nodes.size());
        OnnxNode made;
        made.proto = &node;
        made.call = scope.call;
        made.op = node.op_type();
        made.domain = plain_domain(node.domain());
        made.opset = scope.opset;
        made.body = scope.body;
        made.inputs = std::move(inputs);
        for (const std::string& output : node.output()) {
            made.outputs.push_back(output.empty() ? -1 : make_value(output));
            if (!output.empty()) value(made.outputs.back()).producer = index;
        }
        if (const QuantizedForm* const form = find_quantized_form(made)) use_float_form(*form, made);
        bool constant = made.op == "Constant";
        bool any_input = false, all_constant = true;
        std::int64_t most = -1;
        const onnx::TensorProto* tensor = nullptr;
        for (const int input : made.inputs) {
            if (input < 0) continue;
            any_input = true;
            all_constant = all_constant && value(input).constant;
            std::vector<int>& readers = value(input).readers;
            if (readers.empty() || readers.back() != index) readers.push_back(index);
            const auto& shape = value(input).shape;
            const std::int64_t elements = shape ? elements_of(*shape).value_or(0) : 0;
            if (value(input).tensor == nullptr || elements <= most) continue;
            most = elements;
            tensor = value(input).tensor;
        }
        constant = constant || (any_input && all_constant && !made.op.starts_with("Random") && made.op != "Bernoulli" &&
                                made.op != "Multinomial");
        if (made.op == "Constant") {
            const onnx::AttributeProto* const attribute = find_attribute(made, "value");
            tensor = attribute != nullptr && attribute->has_t() ? &attribute->t() : nullptr;
        }
        for (const int output : made.outputs) {
            if (output < 0 || !constant) continue;
            value(output).constant = true;
            value(output).tensor = tensor;
        }
        graph_.nodes.push_back(std::move(made));
        return index;
    }

    // QLinearAdd and its like: operands that are constants get the values that their levels stand for.
    void use_float_form(const QuantizedForm& form, OnnxNode& node) {
        std::vector<int> operands;
        for (const auto& [at, has_scale] : operands_of(form, node.inputs.size())) {
            const int id = node.input(at);
            std::optional<Contents> contents;
            if (has_scale) contents = dequantized(graph_, id, node.input(at + 1), node.input(at + 2));
            if (!contents) {
                operands.push_back(id);
                continue;
            }
            const int made = make_value(value(id).name);
            value(made).constant = true;
            value(made).tensor = value(id).tensor;
            value(made).shape = value(id).shape;
            value(made).contents = std::move(contents);
            operands.push_back(made);
        }
        node.op = form.float_op;
        node.domain = {};
        node.inputs = std::move(operands);
    }

    void declare_outputs(int index, Scope& scope) {
        const OnnxNode& node = graph_.nodes[static_cast<std::size_t>(index)];
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            if (node.outputs[i] >= 0) declare(node.outputs[i], node.proto->output(static_cast<int>(i)), scope);
        }
    }

    void add_operator(const onnx::NodeProto& node, std::vector<int> inputs, Scope& scope) {
        OnnxNode probe;
        probe.proto = &node;
        probe.call = scope.call;
        const bool same = !inputs.empty() && inputs[0] >= 0 && node.output_size() > 0 && !node.output(0).empty() &&
                          is_same_value(probe, value(inputs[0]));
        if (node.op_type() == "QuantizeLinear" || node.op_type() == "DequantizeLinear") {
            for (std::size_t i = 1; i < inputs.size(); ++i) {
                if (inputs[i] >= 0) value(inputs[i]).quantizes = true;
            }
        }
        if (same) declare(inputs[0], node.output(0), scope);
        if (same && node.output_size() == 1) return;
        const int index = append(node, std::move(inputs), scope);
        OnnxNode& made = graph_.nodes[static_cast<std::size_t>(index)];
        if (same) made.outputs[0] = -1;  // a scale or a mask is left
        const bool known = made.domain.empty() || made.contrib();
        if (const Rule* const rule = known ? find_rule(made) : nullptr) {
            RuleContext context(graph_, made, budget_);
            rule->apply(context);
        }
        declare_outputs(index, scope);
    }

    const onnx::ModelProto& model_;
    const Dimensions& dimensions_;
    OnnxGraph graph_;
    std::unordered_map<std::string, Function> functions_;
    std::size_t budget_, called_left_;
};

}  // namespace

std::string describe(const onnx::NodeProto& node) {
    const std::string& name = node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
    const std::string& op = node.op_type();
    return fmt::format("node {} ({})", internal::quote(name), internal::is_printable(op) ? op.substr(0, 60) : "?");
}

Result<OnnxGraph> flatten(const onnx::ModelProto& model, const std::string& file, std::size_t bytes,
                          const Dimensions& dimensions) {
    try {
        return Flattener(model, bytes, dimensions).run();
    } catch (const Wrong& wrong) {
        return parse_error(fmt::format("{}: {}", file, wrong.text));
    }
}

}  // namespace octile
