#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tests/inputs/onnx_builder.h"
#include "tests/inputs/onnx_layers.h"

using namespace octile;
using namespace octile::test;

TEST_CASE("onnx: activations are known by what they compute") {
    using Make = std::function<std::string(OnnxBuilder&, const std::string&)>;
    struct Case {
        std::string name;
        Activation activation;
        Make make;
    };
    for (const Case& one : std::vector<Case>{
             {"none", Activation::kNone, [](OnnxBuilder&, const std::string&x) { return x; }},
             {"relu", Activation::kRelu, [](OnnxBuilder&b, const std::string&x) { return b.node("Relu", {x}); }},
             {"max", Activation::kRelu,
              [](OnnxBuilder&b, const std::string&x) {
                  return b.node("Max", {x, b.scalar(0)});
              }},
             {"erf", Activation::kGelu, [](OnnxBuilder&b, const std::string&x) { return b.gelu_erf(x); }},
             {"erf, half first", Activation::kGelu,
              [](OnnxBuilder&b, const std::string&x) { return b.gelu_erf(x, true); }},
             {"tanh", Activation::kGeluTanh, [](OnnxBuilder&b, const std::string&x) { return b.gelu_tanh(x); }},
             {"Gelu", Activation::kGelu, [](OnnxBuilder&b, const std::string&x) { return b.contrib("Gelu", {x}); }},
             {"FastGelu", Activation::kGeluTanh,
              [](OnnxBuilder&b, const std::string&x) { return b.contrib("FastGelu", {x}); }},
             {"silu", Activation::kSilu,
              [](OnnxBuilder&b, const std::string&x) {
                  return b.node("Mul", {x, b.node("Sigmoid", {x})});
              }},
             {"cast", Activation::kRelu,
              [](OnnxBuilder&b, const std::string&x) {
                  const std::string cast = b.node("Cast", {x});
                  b.attribute("to", onnx::TensorProto::FLOAT);
                  return b.node("Relu", {cast});
              }},
             {"Gelu by tanh", Activation::kGeluTanh,
              [](OnnxBuilder& b, const std::string& x) {
                  const std::string y = b.node("Gelu", {x});
                  b.attribute("approximate", std::string("tanh"));
                  return y;
              }},
             {"relu6", Activation::kRelu6,
              [](OnnxBuilder& b, const std::string& x) {
                  return b.node("Clip", {x, b.scalar(0), b.scalar(6)});
              }},
             {"clip to another range", Activation::kNone,
              [](OnnxBuilder& b, const std::string& x) {
                  return b.node("Clip", {x, b.scalar(-1), b.scalar(6)});
              }},
             {"hardswish", Activation::kHardswish,
              [](OnnxBuilder& b, const std::string& x) { return b.node("HardSwish", {x}); }},
             {"hardswish of a HardSigmoid", Activation::kHardswish,
              [](OnnxBuilder& b, const std::string& x) {
                  const std::string gate = b.node("HardSigmoid", {x});
                  b.real_attribute("alpha", 1.0f / 6);
                  b.real_attribute("beta", 0.5f);
                  return b.node("Mul", {x, gate});
              }},
             {"QuickGelu", Activation::kQuickGelu,
              [](OnnxBuilder& b, const std::string& x) { return b.contrib("QuickGelu", {x}); }},
             {"QuickGelu of 1 is silu", Activation::kSilu,
              [](OnnxBuilder& b, const std::string& x) {
                  const std::string y = b.contrib("QuickGelu", {x});
                  b.real_attribute("alpha", 1.0f);
                  return y;
              }},
             {"laid out anew before", Activation::kRelu,
              [](OnnxBuilder& b, const std::string& x) {
                  return b.node("Relu", {b.node("Reshape", {x, b.integers({2, 2, 16})})});
              }},
             {"quick gelu", Activation::kQuickGelu,
              [](OnnxBuilder&b, const std::string&x) {
                  return b.node("Mul", {x, b.node("Sigmoid", {b.node("Mul", {x, b.scalar(1.702f)})})});
              }},
             {"erf of another scale", Activation::kNone,
              [](OnnxBuilder&b, const std::string&x) {
                  const std::string phi = b.node("Add", {b.node("Erf", {x}), b.scalar(1)});
                  return b.node("Mul", {b.node("Mul", {x, phi}), b.scalar(0.5f)});
              }},
             {"sigmoid alone", Activation::kNone,
              [](OnnxBuilder&b, const std::string&x) { return b.node("Sigmoid", {x}); }},
             {"gated", Activation::kSilu,
              [](OnnxBuilder&b, const std::string&x) {
                  return b.node("Mul", {b.node("Mul", {x, b.node("Sigmoid", {x})}), b.input("up", {4, 16})});
              }},
             {"read elsewhere", Activation::kNone,
              [](OnnxBuilder&b, const std::string&x) {
                  b.output(x);
                  return b.node("Relu", {x});
              }},
         }) {
        INFO(one.name);
        OnnxBuilder b;
        const std::string x = b.node("MatMul", {b.input("x", {4, 8}), b.weight("fc.weight", {8, 16})}, "/fc/MatMul");
        b.output(one.make(b, b.node("Add", {x, b.weight("fc.bias", {16})})));
        CHECK(layers_of(b) == std::vector<Layer>{linear("fc", 4, 8, 16, true, one.activation)});
    }
    // With its bias in one node, and behind a dynamically quantized product.
    OnnxBuilder b;
    const std::string x = b.input("x", {4, 8});
    b.output(b.contrib("BiasGelu", {b.node("MatMul", {x, b.weight("a.weight", {8, 16})}), b.weight("a.bias", {16})}));
    const std::string product = b.node(
        "MatMulInteger",
        {b.input("u", {4, 8}, onnx::TensorProto::UINT8), b.weight("b.weight", {8, 16}, onnx::TensorProto::INT8)}, "b");
    const std::string cast = b.node("Cast", {product});
    b.attribute("to", onnx::TensorProto::FLOAT);
    const std::string scale = b.node("Mul", {b.input("s", {}), b.scalar(0.1f)});
    b.output(b.gelu_erf(b.node("Add", {b.node("Mul", {cast, scale}), b.weight("b.bias", {16})})));
    CHECK(layers_of(b) == std::vector<Layer>{linear("a", 4, 8, 16, true, Activation::kGelu),
                                             unknown_input(in_int8(linear("b", 4, 8, 16, true, Activation::kGelu)))});
}

TEST_CASE("onnx: quantization around every step hides no activation") {
    // Each value, constants too, through QuantizeLinear and DequantizeLinear, as static quantization writes it.
    OnnxBuilder b;
    const std::string none = b.integer(0);
    const auto there_and_back = [&](const std::string& x, float scale) {
        const std::string step = b.scalar(scale);
        return b.node("DequantizeLinear", {b.node("QuantizeLinear", {x, step, none}), step, none});
    };
    const std::string x = there_and_back(b.input("x", {4, 8}), 0.1f);
    const std::string levels = b.weight("fc.weight_quantized", {8, 16}, onnx::TensorProto::INT8);
    const std::string weights = b.node("DequantizeLinear", {levels, b.weight("scales", {16}), none});
    const std::string product = there_and_back(b.node("MatMul", {x, weights}, "/fc/MatMul"), 0.2f);
    const std::string biased = there_and_back(b.node("Add", {product, b.weight("fc.bias", {16})}), 0.2f);
    const std::string erf =
        there_and_back(b.node("Erf", {there_and_back(b.node("Div", {biased, b.scalar(1.41421356f)}), 0.1f)}), 0.01f);
    const std::string one = there_and_back(b.scalar(1), 1.0f / 255), half = there_and_back(b.scalar(0.5f), 0.5f / 255);
    const std::string phi = there_and_back(b.node("Add", {erf, one}), 0.01f);
    const std::string scaled = there_and_back(b.node("Mul", {biased, phi}), 0.1f);
    const std::string out = there_and_back(b.node("Mul", {scaled, half}), 0.1f);
    b.output(b.node("MatMul", {out, b.weight("next.weight", {16, 3})}));
    CHECK(layers_of(b) ==
          std::vector<Layer>{in_int8(linear("fc", 4, 8, 16, true, Activation::kGelu)), linear("next", 4, 16, 3)});
}

TEST_CASE("onnx: operators of quantized values are those of values") {
    OnnxBuilder b;
    const std::string x = b.input("x", {4, 8}, onnx::TensorProto::UINT8);
    const std::string scale = b.scalar(0.1f), zero = b.integer(0);
    const std::string product = b.node(
        "QLinearMatMul",
        {x, scale, zero, b.weight("fc.weight_quantized", {8, 16}, onnx::TensorProto::INT8), scale, zero, scale, zero},
        "fc");
    const std::string biased =
        b.contrib("QLinearAdd", {product, scale, zero, b.weight("fc.bias", {16}), scale, zero, scale, zero});
    const std::string gate = b.contrib("QLinearSigmoid", {biased, scale, zero, scale, zero});
    const std::string silu = b.contrib("QLinearMul", {biased, scale, zero, gate, scale, zero, scale, zero});
    // 2 levels of 0.5 are 1: a product with it changes nothing.
    const std::string one =
        b.contrib("QLinearMul", {silu, scale, zero, b.integer(2), b.scalar(0.5f), zero, scale, zero});
    b.output(b.node("MatMul", {b.node("DequantizeLinear", {one, scale, zero}), b.weight("next.weight", {16, 3})}));
    const std::vector<Layer> layers = layers_of(b);
    REQUIRE(layers.size() == 2);
    CHECK(layers[0] == in_int8(linear("fc", 4, 8, 16, true, Activation::kSilu)));
}

TEST_CASE("onnx: norms, one node or many") {
    OnnxBuilder b;
    std::string x = b.input("x", {1, 4, 8});
    x = b.node("LayerNormalization", {x, b.weight("a.weight", {8}), b.weight("a.bias", {8})});
    x = b.node("LayerNormalization", {x, b.weight("b.weight", {8})});
    x = b.layernorm(x, "c", 8);
    x = b.rms_norm(x, "d", 8, true);
    x = b.rms_norm(x, "e", 8, false);
    x = b.contrib("SimplifiedLayerNormalization", {x, b.weight("f.weight", {8})});
    x = b.contrib("SkipLayerNormalization", {x, x, b.weight("g.weight", {8}), b.weight("g.bias", {8})});
    b.output(b.node("MatMul", {x, b.weight("fc.weight", {8, 2})}));
    CHECK(layers_of(b) == std::vector<Layer>{norm("a", 4, 8, true, {}), norm("b", 4, 8, false, {}),
                                             norm("c", 4, 8, true), norm("d", 4, 8, false, 1e-6),
                                             norm("e", 4, 8, false, 1e-6), norm("f", 4, 8, false, {}),
                                             norm("g", 4, 8, true, {}), linear("fc", 4, 8, 2)});
    // A mean over another axis is none.
    OnnxBuilder other;
    const std::string y = other.input("x", {4, 8});
    const std::string root =
        other.node("Sqrt", {other.node("Add", {other.mean(other.node("Mul", {y, y}), 0), other.scalar(1e-5f)})});
    other.output(other.node("MatMul", {other.node("Div", {y, root}), other.weight("fc.weight", {8, 2})}));
    CHECK(layers_of(other) == std::vector<Layer>{linear("fc", 4, 8, 2)});
}

TEST_CASE("onnx: an RMS norm by a power, and one over an axis that is not the last") {
    OnnxBuilder b;
    const std::string x = b.input("x", {1, 4, 8});
    const std::string mean_square = b.mean(b.node("Pow", {x, b.scalar(2)}));
    const std::string inverse = b.node("Pow", {b.node("Add", {mean_square, b.scalar(1e-6f)}), b.scalar(-0.5f)});
    // One more than the parameter, as Gemma has it.
    const std::string scale = b.node("Add", {b.weight("n.weight", {8}), b.scalar(1)});
    const std::string normed = b.node("Mul", {b.node("Mul", {x, inverse}), scale});
    const std::string across = b.node("LayerNormalization", {normed, b.weight("across.weight", {4, 8})});
    b.attribute("axis", std::int64_t{1});
    b.output(b.node("MatMul", {across, b.weight("fc.weight", {8, 2})}));
    CHECK(layers_of(b) == std::vector<Layer>{norm("n", 4, 8, false, 1e-6), unknown_input(linear("fc", 4, 8, 2))});
}
