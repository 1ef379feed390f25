// What M is where shapes are computed, and where they cannot be.
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/inputs/onnx_builder.h"
#include "tests/inputs/onnx_layers.h"
#include "tests/inputs/status_checks.h"

using namespace octile;
using namespace octile::test;

namespace {

using Make = std::function<std::string(OnnxBuilder&, const std::string&)>;

// A linear over what is made of x [batch, tokens, 8] with both open.
Layer linear_behind(const Make& make, std::int64_t opset = 17, std::int64_t features = 8) {
    OnnxBuilder b(opset);
    const std::string x = b.input("x", {-1, -2, 8});
    b.output(b.node("MatMul", {make(b, x), b.weight("fc.weight", {features, 3})}));
    const Result<Model> reading = read_graph(b, {.tokens = 16});
    INFO(reading.status().message());
    REQUIRE(reading.ok());
    REQUIRE(reading->layers.size() == 1);
    return reading->layers[0];
}

std::string slice(OnnxBuilder& b, const std::string& x, const std::string& begin, const std::string& end,
                  std::int64_t axis) {
    return b.node("Slice", {x, begin, end, b.integers({axis})});
}

}  // namespace

TEST_CASE("onnx: the first extent is no batch where another one is called so") {
    OnnxBuilder b;
    const std::string x = b.input("x", {-1, -2, 8});
    b.output(b.node("MatMul", {x, b.weight("fc.weight", {8, 3})}));
    auto* const dims = b.model().mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
    for (const auto& [name, m] : {std::pair("batch_size", 16), {"frames", 16}}) {
        dims->mutable_shape()->mutable_dim(1)->set_dim_param(name);
        const Result<Model> reading = read_graph(b, {.tokens = 16});
        REQUIRE(reading.ok());
        CHECK(reading->layers[0].m == m);
        CHECK(reading->notes[0].find(name == std::string("frames") ? "\"d1\" is 1" : "\"batch_size\" is 1") !=
              std::string::npos);
    }
}

TEST_CASE("onnx: shape arithmetic is evaluated") {
    struct Case {
        std::string name;
        std::int64_t m;
        Make make;
    };
    const auto rows = [](OnnxBuilder& b, const std::string& x) {  // [tokens]
        return b.node("Unsqueeze", {b.node("Gather", {b.node("Shape", {x}), b.integer(1)}), b.integers({0})});
    };
    for (
        const Case& one : std::vector<Case>{
            {"as it is", 16, [](OnnxBuilder&, const std::string&x) { return x; }},
            {"positions cut to length", 16,
             [&](OnnxBuilder&b, const std::string&x) {
                 const std::string table = b.weight("positions", {1, 512, 8});
                 return b.node("Add", {x, slice(b, table, b.integers({0}), rows(b, x), 1)});
             }},
            {"halves swapped, as rotary embeddings do", 16,
             [&](OnnxBuilder&b, const std::string&x) {
                 const std::string half =
                     b.node("Div", {b.node("Gather", {b.node("Shape", {x}), b.integer(2)}), b.integer(2)});
                 const std::string middle = b.node("Unsqueeze", {half, b.integers({0})});
                 const std::string low = slice(b, x, b.integers({0}), middle, 2);
                 const std::string high = slice(b, x, middle, b.integers({INT64_MAX}), 2);
                 const std::string both = b.node("Concat", {b.node("Neg", {high}), low});
                 b.attribute("axis", std::int64_t{-1});
                 return both;
             }},
            {"the first row", 1,
             [](OnnxBuilder&b, const std::string&x) {
                 const std::string first = b.node("Gather", {x, b.integer(0)});
                 b.attribute("axis", std::int64_t{1});
                 return first;
             }},
            {"every second row, backwards", 8,
             [](OnnxBuilder&b, const std::string&x) {
                 return b.node("Slice",
                               {x, b.integers({-1}), b.integers({INT64_MIN}), b.integers({1}), b.integers({-2})});
             }},
            {"twice as many by Tile", 32,
             [](OnnxBuilder&b, const std::string&x) {
                 return b.node("Tile", {x, b.integers({1, 2, 1})});
             }},
            {"one more by Concat", 17,
             [](OnnxBuilder&b, const std::string&x) {
                 const std::string all = b.node("Concat", {b.weight("cls", {1, 1, 8}), x});
                 b.attribute("axis", std::int64_t{1});
                 return all;
             }},
            {"as many as a Range has", 16,
             [&](OnnxBuilder&b, const std::string&x) {
                 const std::string count = b.node("Gather", {b.node("Shape", {x}), b.integer(1)});
                 const std::string range = b.node("Range", {b.integer(0), count, b.integer(1)});
                 return b.node("Gather", {b.weight("positions", {512, 8}), range});
             }},
            {"expanded where a mask says so", 48,
             [&](OnnxBuilder&b, const std::string&x) {
                 const std::string shape = b.node("Shape", {x});
                 const std::string ones = b.node("ConstantOfShape", {b.node("Shape", {shape})});
                 const std::string wanted = b.node("Concat", {b.integers({-1}), rows(b, x), b.integers({8})});
                 b.attribute("axis", std::int64_t{0});
                 const std::string keep = b.node("Equal", {wanted, b.integers({-1, -1, -1})});
                 const std::string whole = b.node("Cast", {ones});
                 b.attribute("to", onnx::TensorProto::INT64);
                 const std::string out = b.node("Where", {keep, whole, wanted});
                 const std::string three = b.node("Mul", {out, b.integers({3, 1, 1})});
                 return b.node(
                     "Expand",
                     {b.node("Reshape", {slice(b, x, b.integers({0}), b.integers({1}), 1), b.integers({1, 1, 8})}),
                      b.node("Max", {three, b.integers({3, 1, 1})})});
             }},
            {"a mean over all rows", 1, [](OnnxBuilder&b, const std::string&x) { return b.mean(x, 1); }},
            {"pooled to half", 8,
             [](OnnxBuilder&b, const std::string&x) {
                 const std::string turned = b.node("Transpose", {x});
                 b.attribute("perm", std::vector<std::int64_t>{0, 2, 1});
                 const std::string pooled = b.node("MaxPool", {turned});
                 b.attribute("kernel_shape", std::vector<std::int64_t>{2});
                 b.attribute("strides", std::vector<std::int64_t>{2});
                 const std::string back = b.node("Transpose", {pooled});
                 b.attribute("perm", std::vector<std::int64_t>{0, 2, 1});
                 return back;
             }},
            {"resized to three halves", 24,
             [](OnnxBuilder&b, const std::string&x) {
                 const std::string scales = b.node("Concat", {b.scalar(1, {1}), b.scalar(1.5f, {1}), b.scalar(1, {1})});
                 b.attribute("axis", std::int64_t{0});
                 return b.node("Resize", {x, "", scales});
             }},
        }) {
        INFO(one.name);
        const Layer layer = linear_behind(one.make);
        CHECK(layer.m == one.m);
        CHECK(layer.assumptions.empty());
    }
}

TEST_CASE("onnx: axes are attributes or inputs, as the operator set has them") {
    for (const std::int64_t opset : {7, 11, 13, 18, 23, 25}) {
        INFO("operator set " << opset);
        const Layer layer = linear_behind(
            [&](OnnxBuilder& b, const std::string& x) {
                std::string wide;
                if (opset < 13) {
                    wide = b.node("Unsqueeze", {x});
                    b.attribute("axes", std::vector<std::int64_t>{1});
                } else {
                    wide = b.node("Unsqueeze", {x, b.integers({1})});
                }
                if (opset < 10) {
                    wide = b.node("Slice", {wide});
                    b.attribute("axes", std::vector<std::int64_t>{2});
                    b.attribute("starts", std::vector<std::int64_t>{0});
                    b.attribute("ends", std::vector<std::int64_t>{5});
                } else {
                    wide = slice(b, wide, b.integers({0}), b.integers({5}), 2);
                }
                if (opset < 13) {
                    wide = b.node("Squeeze", {wide});
                    b.attribute("axes", std::vector<std::int64_t>{1});
                    return wide;
                }
                return b.node("Squeeze", {wide, b.integers({1})});
            },
            opset);
        CHECK(layer.m == 5);
    }
}

TEST_CASE("onnx: rows behind the operators of transformers") {
    // Each keeps [1, 16, 8].
    for (const Make& make : std::vector<Make>{
             [](OnnxBuilder&b, const std::string&x) {
                 return b.contrib("SkipLayerNormalization", {x, x, b.weight("n", {8}), b.weight("nb", {8})});
             },
             [](OnnxBuilder&b, const std::string&x) { return b.contrib("RotaryEmbedding", {x}); },
             [](OnnxBuilder&b, const std::string&x) {
                 const std::string y = b.node("Attention", {x, x, x});
                 b.attribute("q_num_heads", std::int64_t{2});
                 b.attribute("kv_num_heads", std::int64_t{2});
                 return y;
             },
             [](OnnxBuilder&b, const std::string&x) {
                 const std::string y = b.contrib("GroupQueryAttention", {x, x, x});
                 b.attribute("num_heads", std::int64_t{2});
                 b.attribute("kv_num_heads", std::int64_t{2});
                 return y;
             },
             [](OnnxBuilder&b, const std::string&x) {
                 return b.contrib("MultiHeadAttention", {x, x, x});
             },
         }) {
        OnnxBuilder b(23);
        const std::string x = b.input("x", {1, 16, 8});
        b.output(b.node("MatMul", {make(b, x), b.weight("fc.weight", {8, 3})}, "fc"));
        const std::vector<Layer> layers = layers_of(b);
        CHECK(layers.back().m == 16);
        CHECK(layers.back().assumptions.empty());
    }
    // Queries, keys and values in one: 4 heads of 4 with 2 of keys and values.
    OnnxBuilder b;
    const std::string packed = b.contrib("GroupQueryAttention", {b.input("qkv", {1, 16, 32})});
    b.attribute("num_heads", std::int64_t{4});
    b.attribute("kv_num_heads", std::int64_t{2});
    b.output(b.node("MatMul", {packed, b.weight("fc.weight", {16, 3})}, "fc"));
    CHECK(layers_of(b)[0].m == 16);
}

TEST_CASE("onnx: rows that nothing tells are the tokens, and the layer says so") {
    const Layer layer = linear_behind([](OnnxBuilder& b, const std::string& x) { return b.contrib("Strange", {x}); });
    CHECK(layer.m == 16);
    CHECK(layer.assumptions == std::vector<std::string>{"m: --tokens, for its shape is unknown"});
    // Shapes that come out wrong are no reason to give up.
    const Layer wrong = linear_behind([](OnnxBuilder& b, const std::string& x) {
        return b.node("Reshape", {x, b.integers({1, 32, 4})});
    });
    CHECK((wrong.m == 16 && wrong.k == 8 && wrong.assumptions.size() == 1));
}

TEST_CASE("onnx: what the file says of its values goes first") {
    OnnxBuilder b;
    const std::string strange = b.contrib("Strange", {b.input("x", {1, 4, 8})}, "s");
    b.output(b.node("MatMul", {strange, b.weight("fc.weight", {8, 3})}));
    b.value_info("s.out", {1, 7, 8});
    CHECK(layers_of(b)[0].m == 7);
}

TEST_CASE("onnx: extents by name") {
    OnnxBuilder b;
    const std::string x = b.input("x", {-1, -2, 8}), past = b.input("past", {-1, 2, -3, 4});
    const std::string joined = b.node("Concat", {b.node("Reshape", {past, b.integers({1, -1, 8})}), x});
    b.attribute("axis", std::int64_t{1});
    b.output(b.node("MatMul", {joined, b.weight("fc.weight", {8, 3})}));
    const auto m_with = [&](const std::map<std::string, std::int64_t>& dims) {
        const Result<Model> reading = read_graph(b, {.tokens = 16, .dims = dims});
        INFO(reading.status().message());
        REQUIRE(reading.ok());
        return reading->layers[0].m;
    };
    CHECK(m_with({}) == 16);  // a cache is no number of tokens: unknown
    CHECK(m_with({{"d3", 128}}) == 144);
    CHECK(m_with({{"d3", 128}, {"d2", 1}}) == 129);
    require_error(read_graph(b, {.tokens = 16, .dims = {{"d4", 1}}}).status(), StatusCode::kInvalidArgument,
                  {"--dim: net.onnx: ", "found \"d4\"", "\"d1\", \"d2\", \"d3\""});
    OnnxBuilder fixed;
    fixed.output(fixed.node("MatMul", {fixed.input("x", {4, 8}), fixed.weight("fc.weight", {8, 3})}));
    require_error(read_graph(fixed, {.tokens = {}, .dims = {{"n", 1}}}).status(), StatusCode::kInvalidArgument,
                  {"found \"n\"", "every extent is fixed"});
}
