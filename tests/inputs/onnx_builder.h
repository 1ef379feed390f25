// ONNX graphs made by hand, a node at a time.
#pragma once

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace octile::test {

class OnnxBuilder {
  public:
    explicit OnnxBuilder(std::int64_t opset = 17) {
        model_.set_ir_version(8);
        onnx::OperatorSetIdProto* const set = model_.add_opset_import();
        set->set_domain("");
        set->set_version(opset);
        onnx::OperatorSetIdProto* const contrib = model_.add_opset_import();
        contrib->set_domain("com.microsoft");
        contrib->set_version(1);
        model_.mutable_graph()->set_name("g");
    }

    // Extents below 0 are left open, under a name of their own: -1 is "d1".
    std::string input(const std::string& name, const std::vector<std::int64_t>& shape,
                      int type = onnx::TensorProto::FLOAT) {
        onnx::ValueInfoProto* const value = model_.mutable_graph()->add_input();
        value->set_name(name);
        auto* const tensor = value->mutable_type()->mutable_tensor_type();
        tensor->set_elem_type(type);
        for (const std::int64_t extent : shape) {
            auto* const dim = tensor->mutable_shape()->add_dim();
            if (extent < 0) {
                dim->set_dim_param(fmt::format("d{}", -extent));
            } else {
                dim->set_dim_value(extent);
            }
        }
        return name;
    }

    std::string output(const std::string& name) {
        onnx::ValueInfoProto* const value = model_.mutable_graph()->add_output();
        value->set_name(name);
        value->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
        return name;
    }

    // A parameter whose values are elsewhere.
    std::string weight(const std::string& name, const std::vector<std::int64_t>& shape,
                       int type = onnx::TensorProto::FLOAT) {
        onnx::TensorProto* const tensor = model_.mutable_graph()->add_initializer();
        tensor->set_name(name);
        tensor->set_data_type(type);
        for (const std::int64_t extent : shape)
            tensor->add_dims(extent);
        tensor->set_data_location(onnx::TensorProto::EXTERNAL);
        onnx::StringStringEntryProto* const entry = tensor->add_external_data();
        entry->set_key("location");
        entry->set_value("weights.bin");
        return name;
    }

    std::string scalar(float value, std::vector<std::int64_t> shape = {}) {
        const std::string name = fmt::format("c{}", model_.graph().initializer_size());
        onnx::TensorProto* const tensor = model_.mutable_graph()->add_initializer();
        tensor->set_name(name);
        tensor->set_data_type(onnx::TensorProto::FLOAT);
        for (const std::int64_t extent : shape)
            tensor->add_dims(extent);
        tensor->set_raw_data(std::string(reinterpret_cast<const char*>(&value), sizeof(value)));
        return name;
    }

    std::string integers(const std::vector<std::int64_t>& values) {
        const std::string name = fmt::format("i{}", model_.graph().initializer_size());
        onnx::TensorProto* const tensor = model_.mutable_graph()->add_initializer();
        tensor->set_name(name);
        tensor->set_data_type(onnx::TensorProto::INT64);
        tensor->add_dims(static_cast<std::int64_t>(values.size()));
        for (const std::int64_t value : values)
            tensor->add_int64_data(value);
        return name;
    }

    // A scalar.
    std::string integer(std::int64_t value) {
        const std::string name = integers({value});
        model_.mutable_graph()->mutable_initializer(model_.graph().initializer_size() - 1)->clear_dims();
        return name;
    }

    // Returns the name of the output, which is the node's followed by ".out".
    std::string node(const std::string& op, const std::vector<std::string>& inputs, const std::string& name = "",
                     const std::string& domain = "") {
        onnx::NodeProto* const made = model_.mutable_graph()->add_node();
        made->set_op_type(op);
        made->set_name(name);
        made->set_domain(domain);
        for (const std::string& value : inputs)
            made->add_input(value);
        made->add_output(name.empty() ? fmt::format("{}{}.out", op, model_.graph().node_size())
                                      : fmt::format("{}.out", name));
        return made->output(0);
    }
    std::string contrib(const std::string& op, const std::vector<std::string>& inputs, const std::string& name = "") {
        return node(op, inputs, name, "com.microsoft");
    }

    // An attribute of the node made last.
    void attribute(const std::string& name, std::int64_t value) {
        onnx::AttributeProto* const made = last()->add_attribute();
        made->set_name(name);
        made->set_type(onnx::AttributeProto::INT);
        made->set_i(value);
    }
    void attribute(const std::string& name, const std::vector<std::int64_t>& values) {
        onnx::AttributeProto* const made = last()->add_attribute();
        made->set_name(name);
        made->set_type(onnx::AttributeProto::INTS);
        for (const std::int64_t value : values)
            made->add_ints(value);
    }

    void attribute(const std::string& name, const std::string& value) {
        onnx::AttributeProto* const made = last()->add_attribute();
        made->set_name(name);
        made->set_type(onnx::AttributeProto::STRING);
        made->set_s(value);
    }
    void real_attribute(const std::string& name, float value) {
        onnx::AttributeProto* const made = last()->add_attribute();
        made->set_name(name);
        made->set_type(onnx::AttributeProto::FLOAT);
        made->set_f(value);
    }
    // A graph that the node made last holds: the nodes, initializers, inputs and outputs of another builder.
    void attribute(const std::string& name, const OnnxBuilder& body) {
        onnx::AttributeProto* const made = last()->add_attribute();
        made->set_name(name);
        made->set_type(onnx::AttributeProto::GRAPH);
        *made->mutable_g() = body.model_.graph();
    }
    // Another output of the node made last.
    std::string also(const std::string& name) {
        last()->add_output(name);
        return name;
    }
    // What a later version of ONNX stores in a field that libonnx may not know.
    void metadata(const std::string& key, const std::string& value) {
        onnx::StringStringEntryProto entry;
        entry.set_key(key);
        entry.set_value(value);
        last()->mutable_unknown_fields()->AddLengthDelimited(9, entry.SerializeAsString());
    }
    // A function of domain "local" whose nodes, inputs and outputs are those of another builder's graph.
    void function(const std::string& name, const OnnxBuilder& body) {
        onnx::FunctionProto* const made = model_.add_functions();
        made->set_name(name);
        made->set_domain("local");
        *made->mutable_node() = body.model_.graph().node();
        for (const onnx::ValueInfoProto& input : body.model_.graph().input())
            made->add_input(input.name());
        for (const onnx::ValueInfoProto& output : body.model_.graph().output())
            made->add_output(output.name());
    }
    // What the file says of a value that a node makes.
    void value_info(const std::string& name, const std::vector<std::int64_t>& shape) {
        onnx::ValueInfoProto* const value = model_.mutable_graph()->add_value_info();
        value->set_name(name);
        auto* const tensor = value->mutable_type()->mutable_tensor_type();
        tensor->set_elem_type(onnx::TensorProto::FLOAT);
        for (const std::int64_t extent : shape)
            tensor->mutable_shape()->add_dim()->set_dim_value(extent);
    }

    std::string mean(const std::string& x, std::int64_t axis = -1) {
        if (model_.opset_import(0).version() >= 18) return node("ReduceMean", {x, integers({axis})});
        const std::string out = node("ReduceMean", {x});
        attribute("axes", std::vector<std::int64_t>{axis});
        return out;
    }

    // A layernorm in nine nodes, as exporters before operator set 17 write it.
    std::string layernorm(const std::string& x, const std::string& name, std::int64_t n) {
        const std::string centred = node("Sub", {x, mean(x)});
        const std::string variance = mean(node("Pow", {centred, scalar(2)}));
        const std::string root = node("Sqrt", {node("Add", {variance, scalar(1e-5f)})});
        const std::string scaled =
            node("Mul", {node("Div", {centred, root}), weight(fmt::format("{}.weight", name), {n})});
        return node("Add", {scaled, weight(fmt::format("{}.bias", name), {n})});
    }

    // An RMS norm: x times the reciprocal of the root, or divided by it.
    std::string rms_norm(const std::string& x, const std::string& name, std::int64_t n, bool divides) {
        const std::string mean_square = mean(divides ? node("Mul", {x, x}) : node("Pow", {x, scalar(2)}));
        const std::string root = node("Sqrt", {node("Add", {scalar(1e-6f), mean_square})});
        const std::string normed = divides ? node("Div", {x, root}) : node("Mul", {x, node("Reciprocal", {root})});
        return node("Mul", {weight(fmt::format("{}.weight", name), {n}), normed});
    }

    // 0.5 x (1 + erf(x / sqrt 2)), its factors in one of two orders.
    std::string gelu_erf(const std::string& x, bool half_first = false) {
        const std::string phi = node("Add", {node("Erf", {node("Div", {x, scalar(1.41421356f)})}), scalar(1)});
        if (half_first) return node("Mul", {node("Mul", {scalar(0.5f, {1}), x}), phi});
        return node("Mul", {node("Mul", {x, phi}), scalar(0.5f)});
    }

    std::string gelu_tanh(const std::string& x) {
        const std::string cube = node("Mul", {scalar(0.044715f), node("Pow", {x, scalar(3)})});
        const std::string inner = node("Mul", {scalar(0.7978845608f), node("Add", {x, cube})});
        const std::string one = node("Add", {scalar(1), node("Tanh", {inner})});
        return node("Mul", {node("Mul", {scalar(0.5f), x}), one});
    }

    onnx::ModelProto& model() { return model_; }
    std::string bytes() const { return model_.SerializeAsString(); }

  private:
    onnx::NodeProto* last() { return model_.mutable_graph()->mutable_node(model_.graph().node_size() - 1); }

    onnx::ModelProto model_;
};

}  // namespace octile::test
