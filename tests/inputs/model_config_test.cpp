// config.json against the layer lists in models/, which were written by hand from the same networks.
#include "inputs/model_config.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "inputs/read_model.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

using namespace octile;
using octile::test::require_error;
using octile::test::TempFolder;

namespace {

// Published configurations, without the keys that no layer's shape depends on.
const std::string kBert = R"({"architectures":["BertForMaskedLM"],"hidden_act":"gelu","hidden_size":768,
    "intermediate_size":3072,"model_type":"bert","num_attention_heads":12,"num_hidden_layers":12,"vocab_size":30522})";
const std::string kVit = R"({"architectures":["ViTForImageClassification"],"hidden_act":"gelu","hidden_size":768,
    "id2label":{"0":"a","1":"b"},"num_labels":1000,"image_size":224,"intermediate_size":3072,"model_type":"vit",
    "num_attention_heads":12,"num_channels":3,"num_hidden_layers":12,"patch_size":16,"qkv_bias":true})";
const std::string kLlama = R"({"architectures":["LlamaForCausalLM"],"attention_bias":false,"head_dim":64,
    "hidden_act":"silu","hidden_size":2048,"intermediate_size":8192,"mlp_bias":false,"model_type":"llama",
    "num_attention_heads":32,"num_hidden_layers":16,"num_key_value_heads":8,"vocab_size":128256})";
const std::string kQwen3 = R"({"architectures":["Qwen3ForCausalLM"],"attention_bias":false,"head_dim":128,
    "hidden_act":"silu","hidden_size":2048,"intermediate_size":6144,"model_type":"qwen3","num_attention_heads":16,
    "num_hidden_layers":28,"num_key_value_heads":8,"vocab_size":151936})";
const std::string kWhisper = R"({"architectures":["WhisperForConditionalGeneration"],"activation_function":"gelu",
    "d_model":384,"decoder_attention_heads":6,"decoder_ffn_dim":1536,"decoder_layers":4,"encoder_attention_heads":6,
    "encoder_ffn_dim":1536,"encoder_layers":4,"max_source_positions":1500,"model_type":"whisper","vocab_size":51865})";

Model read(const std::string& text, std::optional<std::int64_t> tokens) {
    const Result<Model> model = read_model_config(text, "net/config.json", {tokens});
    INFO(model.status().message());
    REQUIRE(model.ok());
    return model.value();
}

// Everything of a layer but its name and edges, and how often the network holds it.
using Shape = std::tuple<Op, std::int64_t, std::int64_t, std::int64_t, Activation, bool>;
std::map<Shape, std::int64_t> shapes_of(const Model& model) {
    std::map<Shape, std::int64_t> shapes;
    for (const Layer& layer : model.layers)
        shapes[{layer.op, layer.m, layer.k, layer.n, layer.activation, layer.bias}] += layer.count;
    return shapes;
}

const Layer& layer_of(const Model& model, const std::string& name) {
    for (const Layer& layer : model.layers) {
        if (layer.name == name) return layer;
    }
    FAIL("no layer " << name);
    return model.layers.front();
}

}  // namespace

TEST_CASE("config: the layers are those of the lists in models/") {
    struct Case {
        std::string text;
        std::string list;
        std::optional<std::int64_t> tokens;
    };
    for (const Case& known : std::vector<Case>{{kVit, "vit-b16.csv", std::nullopt},
                                               {kLlama, "llama-3.2-1b.csv", 128},
                                               {kQwen3, "qwen3-1.7b.csv", 128},
                                               {kWhisper, "whisper-tiny.csv", 1}}) {
        INFO(known.list);
        const Result<Model> list = read_model(std::string(OCTILE_MODELS_DIR) + "/" + known.list, {});
        REQUIRE(list.ok());
        CHECK(shapes_of(read(known.text, known.tokens)) == shapes_of(list.value()));
    }
    // The list of BERT is the bare network's: with a pooler and without the head.
    std::string bare = kBert;
    bare.replace(bare.find("BertForMaskedLM"), 15, "BertModel");
    const Result<Model> list = read_model(std::string(OCTILE_MODELS_DIR) + "/bert-base.csv", {});
    CHECK(shapes_of(read(bare, 128)) == shapes_of(list.value()));
    const Model masked = read(kBert, 128);
    CHECK(layer_of(masked, "cls.predictions.decoder").n == 30522);
    CHECK(masked.layers.back().m == 128);
    CHECK(masked.name == "net");
}

TEST_CASE("config: what families differ in") {
    const std::string decoder = R"("hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,
        "num_attention_heads":4,"vocab_size":100})";
    const Model qwen2 = read(R"({"model_type":"qwen2","num_key_value_heads":null,)" + decoder, 8);
    CHECK(layer_of(qwen2, "model.layers.*.self_attn.k_proj").bias);
    CHECK_FALSE(layer_of(qwen2, "model.layers.*.self_attn.o_proj").bias);
    CHECK(layer_of(qwen2, "model.layers.*.self_attn.k_proj").n == 64);  // as many key-value heads as heads
    CHECK_FALSE(qwen2.layers.front().epsilon);
    CHECK(read(R"({"model_type":"llama","rms_norm_eps":1e-06,)" + decoder, 8).layers.front().epsilon == 1e-6);
    CHECK(qwen2.layers.back().name == "model.norm");  // no architecture: no head
    const Model mistral = read(R"({"model_type":"mistral","head_dim":32,"num_key_value_heads":1,
        "architectures":["MistralForSequenceClassification"],)" +
                                   decoder,
                               8);
    CHECK(layer_of(mistral, "model.layers.*.self_attn.q_proj").n == 128);
    CHECK(layer_of(mistral, "model.layers.*.self_attn.v_proj").n == 32);
    CHECK(layer_of(mistral, "model.layers.*.self_attn.v_proj").inputs ==
          std::vector<std::string>{"model.layers.*.input_layernorm"});
    CHECK(layer_of(mistral, "score").n == 2);
    CHECK(layer_of(read(R"({"model_type":"llama","attention_bias":true,)" + decoder, 8),
                   "model.layers.*.self_attn.o_proj")
              .bias);
    CHECK(
        layer_of(read(R"({"model_type":"bert","hidden_act":"tanh","architectures":["BertForSequenceClassification"],)" +
                          decoder,
                      8),
                 "encoder.layer.*.intermediate.dense")
            .activation == Activation::kNone);
    CHECK(layer_of(read(R"({"model_type":"roberta","architectures":["RobertaForMaskedLM"],)" + decoder, 8),
                   "lm_head.decoder")
              .n == 100);
    CHECK(layer_of(read(R"({"model_type":"deit",)" + decoder, std::nullopt), "encoder.layer.*.layernorm_before").m ==
          198);
}

TEST_CASE("config: M is asked for where the network does not say it") {
    for (const std::string& text : {kBert, kLlama, kQwen3, kWhisper}) {
        require_error(read_model_config(text, "a/config.json", {}).status(), StatusCode::kInvalidArgument,
                      {"a/config.json: ", "--tokens"});
    }
    const TempFolder folder;
    folder.write("config.json", kLlama);
    CHECK(read_model(folder.path(), {.tokens = 3, .skip = {}}).value().layers[0].m == 3);
    CHECK(read_model(folder.write("other.json", kVit), {}).value().name == "other");
}

TEST_CASE("config: what is wrong is named by key") {
    struct Case {
        std::string from, to;
        std::vector<std::string> words;
    };
    for (const Case& bad : std::vector<Case>{
             {"\"llama\"", "\"mamba\"", {"model_type: ", "bert, roberta", "found \"mamba\""}},
             {"\"llama\"", "3", {"model_type: expected a string"}},
             {"\"model_type\"", "\"modeltype\"", {"model_type: ", "no such key"}},
             {"2048", "\"2048\"", {"hidden_size: expected an integer", "\"2048\""}},
             {"2048", "0", {"hidden_size: ", "found 0"}},
             {"2048", "-1", {"hidden_size: ", "found -1"}},
             {"2048", "1e9", {"hidden_size: "}},
             {"2048", "99999999999999999999", {"hidden_size: "}},
             {"2048", "2000000000", {"layer \"model.layers.*.input_layernorm\": k: "}},
             {"\"hidden_size\"", "\"hidden\"", {"hidden_size: ", "no such key"}},
             {"128256", "null", {"vocab_size: ", "no such key"}},
             {"[\"LlamaForCausalLM\"]", "\"LlamaForCausalLM\"", {"architectures: expected an array"}},
             {"\"LlamaForCausalLM\"", "7", {"architectures: expected a string"}},
             {"\"mlp_bias\":false", "\"mlp_bias\":0", {"mlp_bias: expected true or false, found 0"}},
             {"\"silu\"", "[]", {"hidden_act: expected a string, found an array"}},
             {"32", "2147483647", {"num_attention_heads: "}},
             {"64,", "64,\"rms_norm_eps\":-1,", {"rms_norm_eps: expected a number > 0, found -1"}},
             {"64,", "64,\"rms_norm_eps\":\"x\",", {"rms_norm_eps: expected a number > 0", "found \"x\""}},
             {"}", "", {"config.json:3:", "expected JSON"}},
         }) {
        std::string text = kLlama;
        text.replace(text.find(bad.from), bad.from.size(), bad.to);
        INFO(text);
        require_error(read_model_config(text, "config.json", {8}).status(), StatusCode::kParseError, bad.words);
    }
    require_error(read_model_config("[1]", "config.json", {8}).status(), StatusCode::kParseError,
                  {"$: expected an object"});
    std::string vit = kVit;
    vit.replace(vit.find("\"patch_size\":16"), 15, "\"patch_size\":999");
    require_error(read_model_config(vit, "config.json", {8}).status(), StatusCode::kParseError, {"patch_size: "});
}
