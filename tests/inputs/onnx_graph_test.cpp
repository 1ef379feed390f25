// How a model is put together: functions, bodies, order, names, edges; and what that may cost.
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "tests/inputs/onnx_builder.h"
#include "tests/inputs/onnx_layers.h"
#include "tests/inputs/status_checks.h"

using namespace octile;
using namespace octile::test;

namespace {

std::string call(OnnxBuilder& b, const std::string& function, const std::vector<std::string>& inputs,
                 const std::string& name) {
    return b.node(function, inputs, name, "local");
}

}  // namespace

TEST_CASE("onnx: functions are looked into, and functions in functions") {
    // Their scalars are initializers of the builder, which a function has none of: as Constants.
    OnnxBuilder inner;
    inner.input("x", {});
    inner.input("w", {});
    inner.output(inner.node("Relu", {inner.node("MatMul", {"x", "w"}, "product")}));
    OnnxBuilder outer;
    outer.input("x", {});
    outer.input("w", {});
    outer.output(call(outer, "Inner", {"x", "w"}, "call"));
    OnnxBuilder b;
    const std::string x = b.input("x", {4, 8});
    const std::string y = call(b, "Outer", {x, b.weight("a.weight", {8, 16})}, "first");
    b.output(call(b, "Outer", {y, b.weight("b.weight", {16, 5})}, "second"));
    b.function("Inner", inner);
    b.function("Outer", outer);
    CHECK(layers_of(b) == std::vector<Layer>{linear("a", 4, 8, 16, false, Activation::kRelu),
                                             linear("b", 4, 16, 5, false, Activation::kRelu)});
}

TEST_CASE("onnx: a function's attributes are those of its call") {
    OnnxBuilder inner;
    inner.input("x", {});
    inner.input("w", {});
    inner.output(inner.node("Gemm", {"x", "w"}));
    onnx::AttributeProto* const attribute = inner.model().mutable_graph()->mutable_node(0)->add_attribute();
    attribute->set_name("transB");
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_ref_attr_name("turned");
    OnnxBuilder b;
    b.output(call(b, "Inner", {b.input("x", {4, 8}), b.weight("a.weight", {16, 8})}, "first"));
    b.attribute("turned", std::int64_t{1});
    b.function("Inner", inner);
    CHECK(layers_of(b) == std::vector<Layer>{linear("a", 4, 8, 16)});
}

TEST_CASE("onnx: functions that call themselves, or grow without bound, are refused") {
    OnnxBuilder self;
    self.input("x", {});
    self.output(call(self, "F", {"x"}, "again"));
    OnnxBuilder b;
    b.output(call(b, "F", {b.input("x", {4, 8})}, "start"));
    b.function("F", self);
    require_error(read_graph(b).status(), StatusCode::kParseError,
                  {"net.onnx: node \"again\" (F): ", "inside each other"});

    OnnxBuilder growing;
    std::string x = growing.input("x", {4, 8});
    growing.output(call(growing, "F0", {x}, "start"));
    for (int level = 0; level < 12; ++level) {
        OnnxBuilder body;
        std::string value = body.input("x", {});
        for (int i = 0; i < 10; ++i)
            value = call(body, fmt::format("F{}", level + 1), {value}, fmt::format("c{}", i));
        body.output(value);
        growing.function(fmt::format("F{}", level), body);
    }
    OnnxBuilder last;
    last.output(last.node("Relu", {last.input("x", {})}));
    growing.function("F12", last);
    require_error(read_graph(growing).status(), StatusCode::kParseError,
                  {"net.onnx: node ", "in proportion to the file's size"});
}

TEST_CASE("onnx: linears inside If, Loop and Scan are listed, and that is said") {
    const auto branch = [](const std::string& name, int linears) {
        OnnxBuilder body;
        std::string value = "x";
        for (int i = 0; i < linears; ++i)
            value = body.node("MatMul", {value, body.weight(fmt::format("{}.{}.weight", name, i), {8, 8})},
                              fmt::format("{}{}", name, i));
        if (linears == 0) value = body.node("Neg", {value}, name);
        body.output(value);
        return body;
    };
    OnnxBuilder b;
    b.input("x", {4, 8});
    const std::string chosen = b.node("If", {b.input("use_cache", {}, onnx::TensorProto::BOOL)}, "choice");
    b.attribute("then_branch", branch("with", 1));
    b.attribute("else_branch", branch("without", 2));
    b.output(b.node("MatMul", {chosen, b.weight("head.weight", {8, 3})}));
    Result<Model> reading = read_graph(b);
    INFO(reading.status().message());
    REQUIRE(reading.ok());
    REQUIRE(reading->layers.size() == 3);
    CHECK(reading->layers[0].name == "without.0");
    CHECK(reading->layers[1].name == "without.1");
    CHECK(reading->layers[2].name == "head");
    CHECK(reading->layers[2].m == 4);
    REQUIRE(reading->left_out.size() == 1);
    CHECK(reading->left_out[0].text == "in a branch of an If, of which another one is listed");
    REQUIRE(reading->notes.size() == 2);
    CHECK(reading->notes[0] == "net.onnx: linears inside else_branch of node \"choice\" (If) are listed");
    CHECK(reading->notes[1] ==
          "net.onnx: linears inside then_branch of node \"choice\" (If) are not listed: those of its other branch are");

    // A condition that the file tells: the other branch is not there.
    OnnxBuilder known;
    known.input("x", {4, 8});
    const std::string rank = known.node("Size", {known.node("Shape", {"x"})});
    known.output(known.node("If", {known.node("Equal", {rank, known.integer(3)})}, "choice"));
    known.attribute("then_branch", branch("three", 2));
    known.attribute("else_branch", branch("two", 1));
    reading = read_graph(known);
    INFO(reading.status().message());
    REQUIRE(reading.ok());
    REQUIRE(reading->layers.size() == 1);
    CHECK(reading->layers[0].name == "two.0");

    OnnxBuilder loop;
    loop.input("x", {4, 8});
    OnnxBuilder body;
    body.input("i", {});
    body.input("go", {}, onnx::TensorProto::BOOL);
    body.output("go");
    body.output(body.node("MatMul", {body.input("state", {4, 8}), body.weight("cell.weight", {8, 8})}, "cell"));
    loop.output(loop.node("Loop", {loop.integer(7), "", "x"}, "steps"));
    loop.attribute("body", body);
    reading = read_graph(loop);
    INFO(reading.status().message());
    REQUIRE(reading.ok());
    REQUIRE(reading->layers.size() == 1);
    CHECK(reading->layers[0].m == 4);
    CHECK(reading->notes ==
          std::vector<std::string>{
              "net.onnx: linears inside body of node \"steps\" (Loop) are listed once, however often it runs"});
}

TEST_CASE("onnx: a branch is chosen in each call of a function") {
    const auto branch = [](const std::string& op) {
        OnnxBuilder body;
        body.output(body.node(op, op == "MatMul" ? std::vector<std::string>{"x", "w"} : std::vector<std::string>{"x"}));
        return body;
    };
    OnnxBuilder inner;
    inner.input("x", {});
    inner.input("w", {});
    inner.input("go", {}, onnx::TensorProto::BOOL);
    inner.output(inner.node("If", {"go"}, "choice"));
    inner.attribute("then_branch", branch("MatMul"));
    inner.attribute("else_branch", branch("Neg"));
    OnnxBuilder b;
    const std::string x = b.input("x", {4, 8}), go = b.input("go", {}, onnx::TensorProto::BOOL);
    const std::string y = call(b, "F", {x, b.weight("a.weight", {8, 16}), go}, "first");
    b.output(call(b, "F", {y, b.weight("b.weight", {16, 5}), go}, "second"));
    b.function("F", inner);
    const Result<Model> reading = read_graph(b);
    INFO(reading.status().message());
    REQUIRE(reading.ok());
    REQUIRE(reading->layers.size() == 2);
    CHECK((reading->layers[0].name == "a" && reading->layers[1].name == "b"));
    CHECK(reading->left_out.empty());
}

TEST_CASE("onnx: nodes in any order, as converters to FP16 leave them") {
    OnnxBuilder b;
    const std::string x = b.input("x", {4, 8});
    b.output(b.node("MatMul", {"cast.out", b.weight("b.weight", {5, 2})}, "b"));
    b.node("Cast", {"a.out"}, "cast");
    b.attribute("to", onnx::TensorProto::FLOAT);
    b.node("MatMul", {x, b.weight("a.weight", {8, 5})}, "a");
    CHECK(layers_of(b) == std::vector<Layer>{linear("a", 4, 8, 5), linear("b", 4, 5, 2)});
}

TEST_CASE("onnx: names come from the exporter's metadata, the parameters or the nodes") {
    OnnxBuilder b;
    const std::string x = b.input("x", {4, 8});
    const std::string first = b.node("MatMul", {x, b.weight("val_12", {8, 8})}, "node_MatMul_96");
    b.metadata("pkg.torch.onnx.name_scopes", "['', 'encoder', 'encoder.layer.0.fc', 'linear_1']");
    const std::string tied = b.weight("embed.weight", {8, 8});
    const std::string second = b.node("MatMul", {first, tied}, "/encoder/layer.1/fc/MatMul");
    const std::string third = b.node("MatMul", {second, tied}, "/head/MatMul");
    b.output(b.node("MatMul", {third, b.weight("last.weight", {8, 8})}, "/other/path/MatMul"));
    // A module may read the parameters of one in it.
    b.output(b.node("MatMul", {second, b.weight("pool.attention.out_proj.weight", {8, 8})}, "node_MatMul_97"));
    b.metadata("pkg.torch.onnx.name_scopes", "['', 'pool.attention', 'linear_2']");
    std::vector<std::string> names;
    for (const Layer& layer : layers_of(b))
        names.push_back(layer.name);
    CHECK(names == std::vector<std::string>{"encoder.layer.0.fc", "encoder.layer.1.fc", "head", "last",
                                            "pool.attention.out_proj"});
}

TEST_CASE("onnx: who reads whom is named only where the graph tells it") {
    OnnxBuilder b;
    const std::string x = b.input("x", {1, 4, 8}), states = b.input("states", {1, 6, 8});
    const auto project = [&](const std::string& in, const std::string& name, std::int64_t n = 8) {
        return b.node("MatMul", {in, b.weight(name + ".weight", {8, n})}, name);
    };
    const std::string normed = b.node("LayerNormalization", {x, b.weight("norm.weight", {8})});
    const std::string q = project(normed, "q");
    // What the network is given, read twice; and rows of a norm that have been moved about.
    const std::string k = project(states, "k"), v = project(states, "v");
    const std::string first = b.node("Gather", {normed, b.integers({0, 0, 1, 2})});
    b.attribute("axis", std::int64_t{1});
    const std::string moved = project(first, "moved");
    // The same two layers added, and multiplied: no gate of the one for the other.
    const std::string gate = b.node("Relu", {project(normed, "gate")}), up = project(normed, "up");
    b.output(project(b.node("Mul", {gate, up}), "down", 3));
    b.output(project(b.node("Sub", {gate, up}), "not_gated", 3));
    for (const std::string& value : {q, k, v, moved})
        b.output(value);
    std::vector<std::string> found;
    for (const Layer& layer : layers_of(b))
        found.push_back(
            fmt::format("{}: {}{}", layer.name, fmt::join(layer.inputs, " "), layer.input_unknown ? "?" : ""));
    CHECK(found == std::vector<std::string>{"norm: ", "q: ", "states: ?", "k: ", "v: states", "moved: ?", "gate: norm",
                                            "up: norm", "down: gate up", "not_gated: ?"});
}

TEST_CASE("onnx: what is left out is named with the reason") {
    OnnxBuilder b;
    const std::string ids = b.input("ids", {1, 4}, onnx::TensorProto::INT64);
    const std::string x = b.node("Gather", {b.weight("embed.weight", {50, 8}), ids});
    b.node("LSTM", {x, b.weight("lstm.w", {1, 16, 8}), b.weight("lstm.r", {1, 16, 4})}, "lstm");
    b.attribute("hidden_size", std::int64_t{4});
    b.node("MatMul", {x, b.weight("experts", {3, 8, 8}, onnx::TensorProto::FLOAT16)}, "batched");
    b.output(b.node("MatMul", {x, b.weight("fc.weight", {8, 2})}, "fc"));
    const Result<Model> reading = read_graph(b);
    INFO(reading.status().message());
    REQUIRE(reading.ok());
    REQUIRE(reading->left_out.size() == 4);
    const std::vector<LeftOut>& left = reading->left_out;
    CHECK((left[0].tensor == "embed.weight" && left[0].reason == LeftOutReason::kTable && left[0].bytes == 1600));
    CHECK(left[1].tensor == "lstm.w");
    CHECK(left[1].text == "linears inside an LSTM");
    CHECK(left[1].parameters == 128);
    CHECK(left[2].tensor == "lstm.r");
    CHECK((left[3].tensor == "experts" && left[3].reason == LeftOutReason::kExperts && left[3].bytes == 384));
    CHECK(reading->parameters == 400 + 128 + 64 + 192 + 16);
}

TEST_CASE("onnx: reading takes time and memory by the size of the file") {
    // Values that double 60 times, ranks in the thousands, and as many reads of one value.
    OnnxBuilder b;
    const std::string x = b.input("x", {4, 8});
    std::string value = b.integers({1, 2, 3, 4});
    for (int i = 0; i < 60; ++i) {
        value = b.node("Concat", {value, value});
        b.attribute("axis", std::int64_t{0});
    }
    const std::string ranked = b.node("Reshape", {x, b.integers(std::vector<std::int64_t>(5000, 1))});
    std::string huge = b.node("Expand", {ranked, value});
    for (int i = 0; i < 2000; ++i)
        huge = b.node("Unsqueeze", {huge, b.integers({0})});
    b.node("Tile", {x, b.integers({INT64_MAX, INT64_MAX})});
    b.output(b.node("MatMul", {huge, b.weight("w", {8, 8})}, "fc"));
    for (int i = 0; i < 20000; ++i)
        b.node("Relu", {x});
    const auto start = std::chrono::steady_clock::now();
    const Result<Model> reading = read_graph(b, {.tokens = 16});
    INFO(reading.status().message());
    REQUIRE(reading.ok());
    CHECK(reading->layers.size() == 1);
    // A sanitizer on a busy machine included; what it guards against takes for ever.
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
    // Graphs inside graphs, deeper than is followed.
    OnnxBuilder deep;
    deep.input("go", {}, onnx::TensorProto::BOOL);
    OnnxBuilder body;
    body.output(body.node("Neg", {"go"}, "leaf"));
    for (int i = 0; i < 27; ++i) {
        OnnxBuilder around;
        around.output(around.node("If", {"go"}, "nest"));
        around.attribute("then_branch", body);
        body = around;
    }
    deep.output(deep.node("If", {"go"}, "nest"));
    deep.attribute("then_branch", body);
    const Status status = read_graph(deep).status();
    CHECK_FALSE(status.ok());
    CHECK(status.message().size() < 400);
}
