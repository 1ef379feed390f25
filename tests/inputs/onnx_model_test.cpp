#include "inputs/onnx_model.h"

#include <catch2/catch.hpp>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/printable.h"
#include "inputs/read_model.h"
#include "tests/inputs/onnx_builder.h"
#include "tests/inputs/onnx_layers.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using namespace octile::test;

namespace {

Result<Model> read(const std::string& bytes, std::optional<std::int64_t> tokens = std::nullopt) {
    const TempFolder folder;
    return read_model(folder.write("net.onnx", bytes), {.tokens = tokens, .skip = {}});
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
              StatusCode::kInvalidArgument,
              {"node \"fc\" (MatMul): m: ", "expected a shape", "--tokens N"}},
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
                  b.node("MatMul", {b.input("pixels", {-1, 3, -2, -3}), b.weight("w", {3, 5})}, "fc");
              },
              StatusCode::kInvalidArgument,
              {"node \"fc\" (MatMul): m: ", "--tokens N"}},
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
