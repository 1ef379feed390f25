#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/inputs/onnx_builder.h"
#include "tests/inputs/onnx_layers.h"

using namespace octile;
using namespace octile::test;

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
    CHECK(layers_of(b) == std::vector<Layer>{other("x", 4, 8), linear("fc", 4, 8, 16, true),
                                             unknown_input(linear("t", 4, 8, 16)), unknown_input(other("u8", 6, 8)),
                                             in_int8(linear("i", 6, 8, 5)),
                                             in_int8(linear("q", 6, 8, 6, false, Activation::kNone, {"u8"})),
                                             in_int8(linear("d", 4, 8, 7, false, Activation::kNone, {"x"})),
                                             linear("w", 4, 8, 9, false, Activation::kNone, {"x"}),
                                             unknown_input(linear("qkv", 4, 8, 24, true))});
    // Fixed shapes: tokens leave them alone, and that is said.
    const Result<Model> with_tokens = read_graph(b, {.tokens = 100});
    REQUIRE(with_tokens.ok());
    CHECK(with_tokens->layers == layers_of(b));
    REQUIRE(!with_tokens->notes.empty());
    CHECK(with_tokens->notes[0] == "net.onnx: --tokens has no effect: the graph tells all rows");
}

TEST_CASE("onnx: weights reach a linear through whatever is computed of constants") {
    OnnxBuilder b;
    const std::string x = b.input("x", {4, 8});
    const auto use = [&](const std::string& weights, const std::string& name) { b.node("MatMul", {x, weights}, name); };
    use(b.node("Cast", {b.node("Identity", {b.weight("a.weight", {8, 5})})}), "a");
    b.attribute("to", onnx::TensorProto::FLOAT);
    use(b.node("Reshape", {b.weight("b.weight", {2, 4, 6}), b.integers({8, 6})}), "b");
    const std::string parts = b.node("Split", {b.weight("c.weight", {8, 14})}, "parts");
    b.attribute("axis", 1);
    const std::string second = b.also("second");
    use(parts, "c1");
    use(second, "c2");
    use(b.node("Mul", {b.weight("d.weight", {8, 3}), b.scalar(0.5f)}), "d");
    use(b.node("Unsqueeze", {b.weight("e.weight", {8, 9}), b.integers({0})}), "e");
    const std::vector<Layer> layers = layers_of(b);
    REQUIRE(layers.size() == 7);
    CHECK((layers[1].n == 5 && layers[1].name == "a"));
    CHECK((layers[2].n == 6 && layers[2].name == "b"));
    CHECK((layers[3].n == 7 && layers[4].n == 7));
    CHECK((layers[5].n == 3 && layers[5].name == "d"));
    CHECK((layers[6].n == 9 && layers[6].m == 4));
}

TEST_CASE("onnx: weights of few bits are linears, and it is said") {
    OnnxBuilder b(21);
    const std::string x = b.input("x", {4, 64});
    const std::string packed = b.weight("up.weight_Q4", {96, 2, 16}, onnx::TensorProto::UINT8);
    const std::string h = b.contrib("MatMulNBits", {x, packed, b.weight("up.scales", {192})}, "up");
    for (const auto& [name, value] : {std::pair("K", 64), {"N", 96}, {"bits", 4}, {"block_size", 32}})
        b.attribute(name, std::int64_t{value});
    const std::string levels = b.weight("down.weight", {96, 8}, 22);  // INT4
    const std::string blocks = b.node("DequantizeLinear", {levels, b.weight("down.scale", {3, 8})});
    b.attribute("axis", std::int64_t{0});
    b.attribute("block_size", std::int64_t{32});
    b.output(b.node("MatMul", {b.node("Relu", {h}), blocks}, "down"));
    const Result<Model> reading = read_graph(b);
    INFO(reading.status().message());
    REQUIRE(reading.ok());
    CHECK(reading->layers ==
          std::vector<Layer>{linear("up", 4, 64, 96, false, Activation::kRelu), linear("down", 4, 96, 8)});
    CHECK(reading->notes == std::vector<std::string>{
                                "net.onnx: 1 linear has weights in INT4: planned as if they were floats",
                                "net.onnx: 1 linear has weights in blocks of 4 bits: planned as if they were floats"});
    CHECK(reading->left_out.empty());
}

TEST_CASE("onnx: an Einsum with constant weights is a linear") {
    struct Case {
        std::string equation;
        std::vector<std::int64_t> x, w;
        std::vector<Layer> layers;
    };
    for (const Case& one : std::vector<Case>{
             {"bsh,hd->bsd", {2, 3, 8}, {8, 5}, {linear("e", 6, 8, 5)}},
             {"...k,nk->...n", {2, 3, 8}, {5, 8}, {linear("e", 6, 8, 5)}},
             {"bsh,hnd->bsnd", {1, 4, 8}, {8, 2, 4}, {linear("e", 4, 8, 8)}},
             {"bsnd,ndh->bsh", {1, 4, 2, 4}, {2, 4, 6}, {linear("e", 4, 8, 6)}},
             {"bsh, bhd -> bsd", {1, 4, 8}, {1, 8, 5}, {}},  // a batch of products
             {"bsh,hd->bs", {1, 4, 8}, {8, 5}, {}},          // a sum over features
             {"bsh,hd->bsd->", {1, 4, 8}, {8, 5}, {}},
             {"bsh", {1, 4, 8}, {8, 5}, {}},
         }) {
        INFO(one.equation);
        OnnxBuilder b;
        b.output(b.node("Einsum", {b.input("x", one.x), b.weight("e.weight", one.w)}, "e"));
        b.attribute("equation", one.equation);
        if (one.layers.empty()) {
            CHECK_FALSE(read_graph(b).ok());
        } else {
            CHECK(layers_of(b) == one.layers);
        }
    }
}

TEST_CASE("onnx: a convolution is a linear where channels become features") {
    // Patches of 4 x 4 pixels, flattened and turned, as in a vision transformer.
    const auto patches = [](std::int64_t kernel, std::int64_t stride, std::int64_t pad, bool rows) {
        OnnxBuilder b;
        const std::string pixels = b.input("pixels", {-1, 3, 16, 16});
        const std::string conv =
            b.node("Conv", {pixels, b.weight("patch.weight", {8, 3, kernel, kernel}), b.weight("patch.bias", {8})});
        b.attribute("strides", std::vector<std::int64_t>{stride, stride});
        b.attribute("pads", std::vector<std::int64_t>(4, pad));
        std::string out = b.node("Reshape", {conv, b.integers({0, 8, -1})});
        if (rows) {
            out = b.node("Transpose", {out});
            b.attribute("perm", std::vector<std::int64_t>{0, 2, 1});
        }
        b.output(b.node("MatMul", {out, b.weight("fc.weight", {rows ? 8 : 16, 2})}));
        return b;
    };
    CHECK(layers_of(patches(4, 4, 0, true)) ==
          std::vector<Layer>{linear("patch", 16, 48, 8, true), unknown_input(linear("fc", 16, 8, 2))});
    CHECK(layers_of(patches(4, 4, 0, false)) == std::vector<Layer>{linear("fc", 8, 16, 2)});
    CHECK(layers_of(patches(3, 1, 1, true)) == std::vector<Layer>{linear("fc", 256, 8, 2)});
    // Quantized dynamically: levels, a scale, a bias as an image has it.
    OnnxBuilder levels;
    const std::string pixels = levels.input("pixels", {1, 3, 16, 16}, onnx::TensorProto::UINT8);
    std::string y =
        levels.node("ConvInteger", {pixels, levels.weight("patch.weight", {8, 3, 4, 4}, onnx::TensorProto::INT8)});
    levels.attribute("strides", std::vector<std::int64_t>{4, 4});
    y = levels.node("Cast", {y});
    levels.attribute("to", std::int64_t{onnx::TensorProto::FLOAT});
    y = levels.node("Mul", {y, levels.scalar(0.5F)});
    y = levels.node("Add", {y, levels.weight("patch.bias", {1, 8, 1, 1})});
    levels.output(levels.node("Transpose", {levels.node("Reshape", {y, levels.integers({0, 8, -1})})}));
    levels.attribute("perm", std::vector<std::int64_t>{0, 2, 1});
    const std::vector<Layer> quantized = layers_of(levels);
    REQUIRE(quantized.size() == 1);
    CHECK((quantized[0].k == 48 && quantized[0].n == 8 && quantized[0].m == 16 && quantized[0].bias));
    // A feed-forward part of convolutions over points, between rows and rows; and the same in a network of images.
    for (const bool rows : {true, false}) {
        INFO(rows);
        OnnxBuilder b;
        std::string x = b.input("x", rows ? std::vector<std::int64_t>{1, 5, 8} : std::vector<std::int64_t>{1, 8, 5});
        if (rows) {
            x = b.node("Transpose", {x});
            b.attribute("perm", std::vector<std::int64_t>{0, 2, 1});
        }
        x = b.node("Conv", {x, b.weight("up.weight", {16, 8, 1}), b.weight("up.bias", {16})});
        x = b.node("Conv", {b.gelu_erf(x), b.weight("down.weight", {8, 16, 1})});
        if (rows) {
            x = b.node("Transpose", {x});
            b.attribute("perm", std::vector<std::int64_t>{0, 2, 1});
        }
        b.output(b.node("Gemm", {b.node("Flatten", {x}), b.weight("head.weight", {40, 2})}));
        std::vector<Layer> expected = {linear("up", 5, 8, 16, true, Activation::kGelu),
                                       unknown_input(linear("down", 5, 16, 8)),
                                       unknown_input(linear("head", 1, 40, 2))};
        if (!rows) expected = {linear("head", 1, 40, 2)};
        CHECK(layers_of(b) == expected);
    }
}

TEST_CASE("onnx: biases that com.microsoft's operators add are the linears' own") {
    OnnxBuilder b;
    const std::string x = b.input("x", {1, 4, 8});
    const auto project = [&](const std::string& in, const std::string& name) {
        return b.node("MatMul", {in, b.weight(name + ".weight", {8, 8})});
    };
    const std::string q = project(x, "q"), k = project(x, "k"), v = project(x, "v");
    const std::string mixed = b.contrib("MultiHeadAttention", {q, k, v, b.weight("qkv.bias", {24})});
    b.attribute("num_heads", std::int64_t{2});
    const std::string normed = b.contrib("SkipLayerNormalization", {project(mixed, "o"), x, b.weight("n.weight", {8}),
                                                                    b.weight("n.bias", {8}), b.weight("o.bias", {8})});
    b.output(b.contrib("FastGelu", {project(normed, "fc"), b.weight("fc.bias", {8})}));
    const std::vector<Layer> layers = layers_of(b);
    REQUIRE(layers.size() == 7);
    for (const Layer& layer : layers) {
        if (layer.op == Op::kLinear) CHECK(layer.bias);
    }
    CHECK(layers[6].activation == Activation::kGeluTanh);
    CHECK(layers[6].inputs.empty());
    CHECK_FALSE(layers[6].input_unknown);
}
