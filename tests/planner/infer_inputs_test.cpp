#include "planner/infer_inputs.h"

#include <catch2/catch.hpp>

#include "tests/planner/build_layers.h"

using namespace octile;
using test::layer_norm;
using test::linear;

namespace {

// name -> inputs, of the rows that have some.
using Inputs = std::vector<std::pair<std::string, std::vector<std::string>>>;

Inputs inferred(std::vector<Layer> layers) {
    Result<Edges> edges = resolve_inputs(layers);
    REQUIRE(edges.ok());
    infer_inputs(layers, edges.value());
    Inputs result;
    for (const Layer& layer : layers) {
        if (!layer.inputs.empty()) result.emplace_back(layer.name, layer.inputs);
    }
    // What the names say now is what the edges say.
    const Result<Edges> again = resolve_inputs(layers);
    REQUIRE(again.ok());
    if (!layers[0].name.starts_with("q")) CHECK(again.value() == edges.value());
    return result;
}

}  // namespace

TEST_CASE("LLaMA's names", "[infer_inputs]") {
    const std::string p = "model.layers.0.";
    CHECK(inferred({layer_norm(p + "input_layernorm", 8, 64), linear(p + "self_attn.q_proj", 8, 64, 64),
                    linear(p + "self_attn.k_proj", 8, 64, 16), linear(p + "self_attn.v_proj", 8, 64, 16),
                    linear(p + "self_attn.o_proj", 8, 64, 64), layer_norm(p + "post_attention_layernorm", 8, 64),
                    linear(p + "mlp.gate_proj", 8, 64, 256), linear(p + "mlp.up_proj", 8, 64, 256),
                    linear(p + "mlp.down_proj", 8, 256, 64)}) ==
          Inputs{{p + "self_attn.k_proj", {p + "input_layernorm"}},
                 {p + "self_attn.v_proj", {p + "input_layernorm"}},
                 {p + "self_attn.o_proj", {p + "self_attn.q_proj", p + "self_attn.k_proj", p + "self_attn.v_proj"}},
                 {p + "mlp.up_proj", {p + "post_attention_layernorm"}},
                 {p + "mlp.down_proj", {p + "mlp.gate_proj", p + "mlp.up_proj"}}});
}

TEST_CASE("BERT's names, and its feed-forward layers, which read the line above", "[infer_inputs]") {
    const std::string p = "encoder.layer.3.";
    CHECK(inferred({layer_norm("norm", 8, 64), linear(p + "attention.self.query", 8, 64, 64),
                    linear(p + "attention.self.key", 8, 64, 64), linear(p + "attention.self.value", 8, 64, 64),
                    linear(p + "attention.output.dense", 8, 64, 64), linear(p + "intermediate.dense", 8, 64, 256),
                    linear(p + "output.dense", 8, 256, 64)}) ==
          Inputs{{p + "attention.self.key", {"norm"}},
                 {p + "attention.self.value", {"norm"}},
                 {p + "attention.output.dense",
                  {p + "attention.self.query", p + "attention.self.key", p + "attention.self.value"}}});
}

TEST_CASE("Blocks do not mix", "[infer_inputs]") {
    CHECK(inferred({linear("x", 8, 32, 64), linear("0.q_proj", 8, 64, 64), linear("1.k_proj", 8, 64, 64)}).empty());
}

TEST_CASE("Linears that share what nobody names", "[infer_inputs]") {
    std::vector<Layer> layers = {linear("q_proj", 8, 64, 64), linear("k_proj", 8, 64, 64), linear("v_proj", 8, 64, 64)};
    Edges edges = resolve_inputs(layers).value();
    infer_inputs(layers, edges);
    for (const std::vector<std::size_t>& sources : edges)
        CHECK(sources.empty());
}

TEST_CASE("Cross-attention: keys and values share, queries do not", "[infer_inputs]") {
    const std::string p = "decoder.encoder_attn.";
    CHECK(inferred({linear("enc", 8, 64, 64), linear(p + "k_proj", 8, 64, 64), linear(p + "v_proj", 8, 64, 64),
                    layer_norm("norm", 8, 64), linear(p + "q_proj", 8, 64, 64)}) == Inputs{{p + "v_proj", {"enc"}}});
}

TEST_CASE("Where shapes or the list say otherwise, names decide nothing", "[infer_inputs]") {
    CHECK(inferred({linear("x", 8, 32, 64), linear("a.q_proj", 8, 64, 64), linear("a.k_proj", 8, 128, 64)}).empty());
    CHECK(inferred({linear("x", 8, 32, 64), linear("a.q_proj", 8, 64, 64), linear("a.k_proj", 4, 64, 64)}).empty());
    CHECK(inferred({linear("x", 8, 32, 64), linear("a.gate_proj", 8, 64, 64),
                    linear("a.up_proj", 8, 64, 64, {"a.gate_proj"}), linear("a.down_proj", 8, 32, 64)}) ==
          Inputs{{"a.up_proj", {"a.gate_proj"}}});
    CHECK(inferred({linear("x", 8, 32, 64), linear("mixq_proj", 8, 64, 64), linear("mixk_proj", 8, 64, 64)}).empty());
}
