#include "fuzz/seeds.h"
#include "tests/inputs/onnx_builder.h"

namespace octile::fuzz {
namespace {

using test::OnnxBuilder;

// A norm, a feed-forward with GELU and a head; two axes are open.
std::string feed_forward() {
    OnnxBuilder onnx;
    std::string x = onnx.input("x", {-1, -2, 8});
    x = onnx.layernorm(x, "norm", 8);
    const std::string h = onnx.node("MatMul", {x, onnx.weight("onnx::MatMul_1", {8, 16})}, "/layer.0/fc/MatMul");
    x = onnx.gelu_erf(onnx.node("Add", {onnx.weight("layer.0.fc.bias", {16}), h}));
    x = onnx.rms_norm(x, "rms", 16, true);
    x = onnx.node("Gemm",
                  {onnx.node("Reshape", {x, onnx.integers({-1, 16})}), onnx.weight("fc2.weight", {4, 16}),
                   onnx.weight("fc2.bias", {4})},
                  "/fc2/Gemm");
    onnx.attribute("transB", 1);
    onnx.output(onnx.node("Softmax", {x}));
    return onnx.bytes();
}

// Quantized linears, shape arithmetic, and operators of other domains.
std::string quantized() {
    OnnxBuilder onnx(11);
    const std::string x = onnx.input("x", {2, 3, 8});
    const std::string u8 = onnx.input("u8", {2, 3, 8}, onnx::TensorProto::UINT8);
    onnx.node("MatMulInteger", {u8, onnx.weight("onnx::MatMul_1_quantized", {8, 5}, onnx::TensorProto::INT8)},
              "/i/MatMul_quant");
    const std::string one = onnx.scalar(1), zero = onnx.weight("zero", {}, onnx::TensorProto::UINT8);
    onnx.node("QLinearMatMul",
              {u8, one, zero, onnx.weight("q.weight_quantized", {8, 6}, onnx::TensorProto::INT8), one, zero, one, zero},
              "ql");
    const std::string rows = onnx.node("Gather", {onnx.node("Shape", {x}), onnx.integer(1)});
    const std::string unsqueezed = onnx.node("Unsqueeze", {rows});
    onnx.attribute("axes", std::vector<std::int64_t>{0});
    const std::string shape = onnx.node("Concat", {onnx.integers({2}), unsqueezed, onnx.integers({2, 4})});
    onnx.attribute("axis", 0);
    const std::string split = onnx.node("Reshape", {x, shape});
    const std::string moved = onnx.node("Transpose", {split});
    onnx.attribute("perm", std::vector<std::int64_t>{0, 2, 1, 3});
    onnx.output(onnx.gelu_tanh(moved));
    onnx.contrib("Attention", {x, onnx.weight("qkv.weight", {8, 24}), onnx.weight("qkv.bias", {24})});
    onnx.contrib("SkipLayerNormalization", {x, x, onnx.weight("g.weight", {8}), onnx.weight("g.bias", {8})});
    return onnx.bytes();
}

}  // namespace

void add_onnx_seeds(const SeedFolder& folder) {
    folder.add("onnx", "feed_forward", feed_forward());
    folder.add("onnx", "quantized", quantized());
    folder.add("network", "onnx", feed_forward());
}

}  // namespace octile::fuzz
