#include "inputs/onnx_model.h"

#include <catch2/catch.hpp>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/printable.h"
#include "inputs/read_model.h"
#include "tests/inputs/onnx_builder.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using octile::test::OnnxBuilder;
using octile::test::require_error;
using octile::test::TempFolder;

namespace {

Result<Model> read(const std::string& bytes, std::optional<std::int64_t> tokens = std::nullopt) {
    const TempFolder folder;
    return read_model(folder.write("net.onnx", bytes), {.tokens = tokens, .skip = {}});
}

std::vector<Layer> layers_of(const OnnxBuilder& builder, std::optional<std::int64_t> tokens = std::nullopt) {
    const Result<Model> model = read(builder.bytes(), tokens);
    INFO(model.status().message());
    REQUIRE(model.ok());
    return model.value().layers;
}

Layer linear(const std::string& name, std::int64_t m, std::int64_t k, std::int64_t n, bool bias = false,
             Activation activation = Activation::kNone, std::vector<std::string> inputs = {}) {
    return {.name = name, .m = m, .k = k, .n = n, .activation = activation, .bias = bias, .inputs = std::move(inputs)};
}

Layer norm(const std::string& name, std::int64_t m, std::int64_t n, bool bias, std::optional<double> epsilon = 1e-5) {
    return {.name = name, .op = Op::kLayerNorm, .m = m, .k = n, .n = n, .bias = bias, .epsilon = epsilon};
}

// A transformer block as PyTorch exports it: x [batch, tokens, 8] with batch and tokens open, two heads, shapes of
// Reshape computed from the input's.
OnnxBuilder transformer(std::int64_t opset = 13) {
    OnnxBuilder b(opset);
    const std::string x = b.input("x", {-1, -2, 8});
    const auto project = [&](const std::string& in, const std::string& name, std::int64_t k, std::int64_t n) {
        const std::string product = b.node("MatMul", {in, b.weight(fmt::format("onnx::MatMul_{}", name), {k, n})},
                                           fmt::format("/layer.0/{}/MatMul", name));
        return b.node("Add", {b.weight(fmt::format("layer.0.{}.bias", name), {n}), product});
    };
    const std::string normed = b.layernorm(x, "layer.0.norm1", 8);
    const auto heads = [&](const std::string& in) {
        const std::string shape = b.node("Shape", {in});
        std::string rows = b.node("Gather", {shape, b.integer(1)});
        if (opset < 13) {
            rows = b.node("Unsqueeze", {rows});
            b.attribute("axes", std::vector<std::int64_t>{0});
        } else {
            rows = b.node("Unsqueeze", {rows, b.integers({0})});
        }
        const std::string target = b.node("Concat", {b.integers({1}), rows, b.integers({2, 4})});
        b.attribute("axis", 0);
        const std::string split = b.node("Reshape", {in, target});
        const std::string moved = b.node("Transpose", {split});
        b.attribute("perm", std::vector<std::int64_t>{0, 2, 1, 3});
        return moved;
    };
    const std::string q = heads(project(normed, "query", 8, 8)), k = heads(project(normed, "key", 8, 8)),
                      v = heads(project(normed, "value", 8, 8));
    const std::string kt = b.node("Transpose", {k});
    b.attribute("perm", std::vector<std::int64_t>{0, 1, 3, 2});
    const std::string scores = b.node("Softmax", {b.node("MatMul", {q, kt}, "/layer.0/MatMul")});
    const std::string mixed = b.node("Transpose", {b.node("MatMul", {scores, v}, "/layer.0/MatMul_1")});
    b.attribute("perm", std::vector<std::int64_t>{0, 2, 1, 3});
    const std::string joined = b.node("Reshape", {mixed, b.integers({0, 0, 8})});
    const std::string residual = b.node("Add", {project(joined, "output", 8, 8), x});
    const std::string normed2 = b.layernorm(residual, "layer.0.norm2", 8);
    const std::string up = b.gelu_erf(project(normed2, "fc1", 8, 32));
    b.output(b.node("Add", {project(up, "fc2", 32, 8), residual}));
    return b;
}

}  // namespace

TEST_CASE("onnx: a transformer block as PyTorch exports it") {
    for (const std::int64_t opset : {11, 13, 14, 17, 21}) {
        INFO("operator set " << opset);
        CHECK(layers_of(transformer(opset), 5) ==
              std::vector<Layer>{norm("layer.0.norm1", 5, 8, true), linear("layer.0.query", 5, 8, 8, true),
                                 linear("layer.0.key", 5, 8, 8, true, Activation::kNone, {"layer.0.norm1"}),
                                 linear("layer.0.value", 5, 8, 8, true, Activation::kNone, {"layer.0.norm1"}),
                                 linear("layer.0.output", 5, 8, 8, true, Activation::kNone,
                                        {"layer.0.query", "layer.0.key", "layer.0.value"}),
                                 norm("layer.0.norm2", 5, 8, true),
                                 linear("layer.0.fc1", 5, 8, 32, true, Activation::kGelu),
                                 linear("layer.0.fc2", 5, 32, 8, true)});
    }
    require_error(read(transformer().bytes()).status(), StatusCode::kInvalidArgument,
                  {"net.onnx: input \"x\": dimension 1 is open, \"d2\": expected --tokens N"});
}

TEST_CASE("onnx: the file tells that it is one") {
    const TempFolder folder;
    for (const std::string name : {"net.onnx", "net.ONNX", "net", "net.bin"}) {
        const Result<Model> model = read_model(folder.write(name, transformer().bytes()), {.tokens = 5, .skip = {}});
        INFO(model.status().message());
        REQUIRE(model.ok());
        CHECK(model.value().layers.size() == 8);
        CHECK(model.value().name == "net");
    }
}

TEST_CASE("onnx: every operator that is a linear") {
    OnnxBuilder b;
    const std::string x = b.input("x", {4, 8});
    const std::string u8 = b.input("u8", {2, 3, 8}, onnx::TensorProto::UINT8);
    b.node("Gemm", {x, b.weight("fc.weight", {16, 8}), b.weight("fc.bias", {16})}, "/fc/Gemm");
    b.attribute("transB", 1);
    b.node("Gemm", {b.input("xt", {8, 4}), b.weight("t.weight", {8, 16})}, "t");
    b.attribute("transA", 1);
    b.node("MatMulInteger", {u8, b.weight("onnx::MatMul_1_quantized", {8, 5}, onnx::TensorProto::INT8)},
           "/i/MatMul_quant");
    const std::string one = b.scalar(1), zero = b.weight("zero", {}, onnx::TensorProto::UINT8);
    b.node("QLinearMatMul",
           {u8, one, zero, b.weight("q.weight_quantized", {8, 6}, onnx::TensorProto::INT8), one, zero, one, zero},
           "ql");
    b.node("MatMul", {x, b.node("DequantizeLinear", {b.weight("d.weight", {8, 7}, onnx::TensorProto::INT8), one})},
           "dq");
    const std::string turned = b.node("Transpose", {b.weight("w.weight", {9, 8})});
    b.node("MatMul", {x, turned}, "turned");
    b.contrib("Attention", {b.input("h", {1, 4, 8}), b.weight("qkv.weight", {8, 24}), b.weight("qkv.bias", {24})});
    // None: two activations, constants on the left, a vector, a batch of weights, two constants.
    b.node("MatMul", {x, b.node("Transpose", {x})});
    b.node("MatMul", {b.weight("left", {3, 4}), x});
    b.node("MatMul", {x, b.weight("vector", {8})});
    b.node("MatMul", {b.input("y", {2, 4, 8}), b.weight("batch", {2, 8, 8})});
    b.node("MatMul", {b.weight("c1", {4, 8}), b.weight("c2", {8, 4})});
    std::vector<Layer> expected = {linear("fc", 4, 8, 16, true), linear("t", 4, 8, 16), linear("i", 6, 8, 5),
                                   linear("q", 6, 8, 6),         linear("d", 4, 8, 7),  linear("w", 4, 8, 9),
                                   linear("qkv", 4, 8, 24, true)};
    expected[2].weights = expected[3].weights = expected[4].weights = WeightForm::kInt8;
    std::vector<Layer> found = layers_of(b);
    CHECK(found == expected);
    // Fixed shapes: tokens replace M, as in a list.
    CHECK(layers_of(b, 100)[6].m == 100);
}

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
             {"tanh", Activation::kGelu, [](OnnxBuilder&b, const std::string&x) { return b.gelu_tanh(x); }},
             {"Gelu", Activation::kGelu, [](OnnxBuilder&b, const std::string&x) { return b.contrib("Gelu", {x}); }},
             {"FastGelu", Activation::kGelu,
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
             {"quick gelu", Activation::kNone,
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
    std::vector<Layer> expected = {linear("a", 4, 8, 16, true, Activation::kGelu),
                                   linear("b", 4, 8, 16, true, Activation::kGelu)};
    expected[1].weights = WeightForm::kInt8;
    CHECK(layers_of(b) == expected);
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

TEST_CASE("onnx: what is wrong is named by node, input or initializer") {
    struct Case {
        std::function<void(OnnxBuilder&)> make;
        StatusCode code;
        std::vector<std::string> words;
    };
    const auto parse = StatusCode::kParseError;
    for (const Case& bad : std::vector<Case>{
             {[](OnnxBuilder& b) { b.model().clear_graph(); }, parse, {"graph: expected a graph"}},
             {[](OnnxBuilder&) {}, parse, {"expected at least one MatMul", "among 0 nodes"}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {b.input("x", {2, 3}), b.input("y", {3, 2})});
              },
              parse,
              {"expected at least one MatMul", "among 1 nodes"}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {b.input("x", {2, 3})}, "fc");
              },
              parse,
              {"node \"fc\" (MatMul): expected at least 2 inputs"}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {b.input("x", {2, 3}), b.weight("w", {4, 5})}, "fc");
              },
              parse,
              {"fc"}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {"nowhere", b.weight("w", {4, 5})}, "fc");
              },
              parse,
              {"node \"fc\" (MatMul): input \"nowhere\": expected a shape"}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {b.contrib("Strange", {b.input("x", {2, 3})}), b.weight("w", {3, 5})}, "fc");
              },
              parse,
              {"node \"fc\" (MatMul): input ", "expected a shape"}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {b.input("x", {2, -7, 200000}), b.weight("w", {200000, 5})}, "fc");
              },
              StatusCode::kInvalidArgument,
              {"input \"x\": dimension 1 is open, \"d7\""}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {b.input("x", {2, 200000}), b.weight("w", {200000, 5})}, "fc");
              },
              parse,
              {"node \"fc\" (MatMul): k: ", "1 to 131072", "200000"}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {b.input("x", {2000000000, 2, 3}), b.weight("w", {3, 5})}, "fc");
              },
              parse,
              {"node \"fc\" (MatMul): m: ", "2147483647"}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {b.input("x", {2, 3}), b.weight("w", {3, 0})}, "fc");
              },
              parse,
              {"node \"fc\" (MatMul): n: ", "found 0"}},
             {[](OnnxBuilder& b) {
                  b.weight("w", {3, -1});
              },
              parse,
              {"initializer \"w\": dims: ", "found -1"}},
             {[](OnnxBuilder& b) { b.weight("w", {std::int64_t{1} << 40}); }, parse, {"initializer \"w\": dims: "}},
             {[](OnnxBuilder& b) { b.input("x", {std::int64_t{1} << 40}); }, parse, {"input \"x\": dimension 0: "}},
             {[](OnnxBuilder& b) {
                  b.input("pixels", {-1, 3, -2, -3});
              },
              StatusCode::kInvalidArgument,
              {"input \"pixels\": dimension 2 is open and no number of tokens"}},
             {[](OnnxBuilder& b) {
                  b.node("MatMul", {b.input("x", {2, 3}), b.weight("w", {3, 5})}, "a\nb\x1b");
              },
              parse,
              {"name: expected UTF-8 without control characters"}},
         }) {
        OnnxBuilder b;
        bad.make(b);
        const Status status = read(b.bytes()).status();
        require_error(status, bad.code, bad.words);
        CHECK(status.message().find("net.onnx: ") != std::string::npos);
    }
    for (const std::string& bytes :
         {std::string(), std::string("nonsense"), std::string(100, '\0'), std::string(100, '\xff')})
        require_error(read(bytes).status(), parse, {"net.onnx: expected an ONNX model"});
    // Graphs that go in circles.
    OnnxBuilder circle;
    circle.node("Transpose", {"a.out"}, "b");
    circle.node("Transpose", {"b.out"}, "a");
    circle.node("MatMul", {circle.input("x", {2, 3}), "a.out"}, "fc");
    CHECK_FALSE(read(circle.bytes()).ok());
}

TEST_CASE("onnx: mutations of a whole file") {
    const std::string bytes = transformer().bytes();
    const auto check = [](const std::string& mutated) {
        const Result<Model> model = read(mutated, 5);
        if (model.ok()) return;
        if (!model.status().message().empty() && internal::is_printable(model.status().message())) return;
        INFO(internal::quote(model.status().message()));
        CHECK(false);
    };
    std::minstd_rand random(1);
    for (std::size_t at = 0; at < bytes.size(); at += 1 + random() % 3) {
        std::string mutated = bytes;
        mutated[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1u + random() % 255));
        check(mutated);
        if (at % 8 == 0) check(bytes.substr(0, at));
        if (at % 8 == 1) check(bytes.substr(0, at) + bytes.substr(at + 1));
    }
}
