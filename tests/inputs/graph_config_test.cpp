// Graphs of configurations: the linears and norms that model_config.h lists for the same files, block by block, and
// what sentence-transformers adds.
#include "inputs/graph_config.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "inputs/format.h"
#include "inputs/model_config.h"
#include "inputs/sentence_transformers.h"
#include "tests/inputs/status_checks.h"
#include "tests/inputs/temp_folder.h"

namespace octile::test {
namespace {

const std::string kBert = R"({"model_type": "bert", "hidden_size": 384, "intermediate_size": 1536,
    "num_hidden_layers": 2, "num_attention_heads": 12, "vocab_size": 30522, "max_position_embeddings": 512,
    "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"})";
const std::string kLlama = R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 2048,
    "intermediate_size": 8192, "num_hidden_layers": 2, "num_attention_heads": 32, "num_key_value_heads": 8,
    "head_dim": 64, "vocab_size": 128256, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": true,
    "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192}})";
const std::string kQwen3 = R"({"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "hidden_size": 2048,
    "intermediate_size": 6144, "num_hidden_layers": 2, "num_attention_heads": 16, "num_key_value_heads": 8,
    "head_dim": 128, "vocab_size": 151936, "rms_norm_eps": 1e-6, "rope_theta": 1000000, "tie_word_embeddings": true,
    "use_sliding_window": false, "sliding_window": 32768})";
const std::string kQwen2 = R"({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "hidden_size": 896,
    "intermediate_size": 4864, "num_hidden_layers": 2, "num_attention_heads": 14, "num_key_value_heads": 2,
    "vocab_size": 151936, "tie_word_embeddings": false})";

Graph graph_of(const std::string& text, const GraphOptions& options = {}) {
    Result<Graph> graph = graph_of_config(text, "net/config.json", options);
    INFO(graph.status().message());
    REQUIRE(graph.ok());
    return std::move(graph).value();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

// The tensors that a configuration's graph names, each with `prefix` in front.
TensorList tensors_of(const std::string& text, const std::string& prefix) {
    TensorList list;
    const Graph graph = graph_of(text);
    std::map<std::string, std::int64_t> features;
    for (const Node& node : graph.nodes) {
        features[node.name] = node.features;
        for (const EmbeddingTable& table : node.tables)
            list.add(prefix + table.tensor, {table.rows, node.features});
        if (node.weight.empty() || list.has(prefix + node.weight)) continue;
        if (node.op == NodeOp::kLinear)
            list.add(prefix + node.weight, {node.features, features.at(node.inputs[0])});
        else
            list.add(prefix + node.weight, {node.features / node.heads});
        if (!node.bias.empty()) list.add(prefix + node.bias, {node.features});
    }
    return list;
}

const Node& node_of(const Graph& graph, const std::string& name) {
    for (const Node& node : graph.nodes)
        if (node.name == name) return node;
    FAIL("no node " << name);
    return graph.nodes[0];
}

TEST_CASE("a graph has the linears that the configuration's list has") {
    for (const std::string& text : {kBert, kLlama, kQwen3, kQwen2}) {
        const Result<Model> listed = read_model_config(text, "net/config.json", {8});
        REQUIRE(listed.ok());
        std::map<std::string, std::tuple<std::int64_t, std::int64_t, bool>> wanted, found;
        for (const Layer& layer : listed->layers) {
            if (layer.op != Op::kLinear || layer.name.find("pooler") != std::string::npos) continue;
            for (std::int64_t block = 0; block < layer.count; block++) {
                const bool numbered = layer.name.find('*') != std::string::npos;
                const std::string name = numbered ? replaced(layer.name, "*", std::to_string(block)) : layer.name;
                wanted[name] = {layer.k, layer.n, layer.bias};
            }
        }
        const Graph graph = graph_of(text);
        CHECK(graph.name == "net");
        for (const Layer& layer : layers_of(graph, 8).layers)
            if (layer.op == Op::kLinear) found[layer.name] = {layer.k, layer.n, layer.bias};
        CHECK(found == wanted);
        CHECK(validate(graph).ok());
    }
}

TEST_CASE("an encoder's tables, pooling and names") {
    const Graph graph = graph_of(kBert);
    const Node& tables = node_of(graph, "embeddings");
    REQUIRE(tables.tables.size() == 3);
    CHECK(tables.tables[0] == EmbeddingTable{"embeddings.word_embeddings.weight", "token_ids", 30522, 0});
    CHECK(tables.tables[1] == EmbeddingTable{"embeddings.token_type_embeddings.weight", "token_types", 2, 0});
    CHECK(tables.tables[2] == EmbeddingTable{"embeddings.position_embeddings.weight", "", 512, 0});
    CHECK(graph.outputs == std::vector<std::string>{"embedding"});
    CHECK(node_of(graph, "embedding").op == NodeOp::kNormalize);
    const Graph plain = graph_of(kBert, {.pooling = Pooling::kFirst, .normalize = false});
    CHECK(node_of(plain, "embedding").pooling == Pooling::kFirst);

    const TensorList tensors = tensors_of(replaced(kBert, "\"bert\"", "\"roberta\""), "roberta.");
    const Graph roberta = graph_of(replaced(kBert, "\"bert\"", "\"roberta\""), {.tensors = &tensors});
    CHECK(node_of(roberta, "roberta.embeddings").tables[2].offset == 2);
    CHECK(node_of(roberta, "roberta.encoder.layer.1.output.dense").weight ==
          "roberta.encoder.layer.1.output.dense.weight");
}

TEST_CASE("a decoder's attention and head") {
    const Graph llama = graph_of(kLlama);
    const Node& attention = node_of(llama, "model.layers.1.self_attn");
    CHECK(attention.heads == 32);
    CHECK(attention.key_heads == 8);
    CHECK(attention.causal);
    CHECK(attention.scale == 0.125);
    CHECK(attention.rotary == Rotary{500000, RotaryScaling{32, 1, 4, 8192}});
    CHECK(node_of(llama, "lm_head").weight == "model.embed_tokens.weight");
    CHECK(node_of(llama, "lm_head").inputs[0] == "model.norm");
    CHECK(node_of(llama, "model.norm").inputs[0] == "last_token");
    TensorList tensors = tensors_of(kLlama, "");
    tensors.add("lm_head.weight", {128256, 2048});
    const Graph all = graph_of(kLlama, {.all_logits = true, .tensors = &tensors});
    CHECK(node_of(all, "lm_head").weight == "lm_head.weight");
    CHECK(node_of(all, "model.norm").inputs[0] == "model.layers.1.mlp.residual");

    const Graph qwen = graph_of(kQwen3);
    CHECK(node_of(qwen, "model.layers.0.self_attn.q_norm").heads == 16);
    CHECK(node_of(qwen, "model.layers.0.self_attn.k_norm").heads == 8);
    CHECK(node_of(qwen, "model.layers.0.self_attn").rotary == Rotary{1000000});
    CHECK(node_of(graph_of(kQwen2), "lm_head").weight == "lm_head.weight");
}

TEST_CASE("what a graph cannot say is refused by its key") {
    const auto error = [](const std::string& text) { return graph_of_config(text, "c.json", {}).status(); };
    const auto bert = [&](const std::string& from, const std::string& to) { return error(replaced(kBert, from, to)); };
    require_error(bert("\"gelu\"", "\"tanh\""), StatusCode::kParseError, {"c.json: hidden_act", "tanh"});
    require_error(bert("\"gelu\"", "\"gelu\", \"position_embedding_type\": \"relative_key\""), StatusCode::kParseError,
                  {"position_embedding_type", "absolute", "relative_key"});
    require_error(bert("12,", "7,"), StatusCode::kParseError, {"num_attention_heads", "384", "7"});
    require_error(bert("\"bert\"", "\"vit\""), StatusCode::kParseError, {"model_type", "vit"});
    require_error(error(replaced(kLlama, "\"llama3\"", "\"yarn\"")), StatusCode::kParseError,
                  {"rope_scaling", "llama3", "yarn"});
    // Layers from max_window_layers on have a window: none of two, unless it says so.
    CHECK(error(replaced(kQwen3, "false, \"sliding", "true, \"sliding")).ok());
    CHECK(node_of(graph_of(replaced(kQwen3, "false, \"sliding", "true, \"max_window_layers\": 1, \"sliding")),
                  "model.layers.1.self_attn")
              .window == 32767);
    require_error(error(replaced(kLlama, "32, \"num_key", "30, \"num_key")), StatusCode::kParseError, {"key_heads"});
    require_error(error("[]"), StatusCode::kParseError, {"an object"});
}

TEST_CASE("sentence-transformers' modules decide pooling and normalization") {
    const TempFolder folder;
    const auto write = [&](const std::string& name, const std::string& text) {
        std::filesystem::create_directories((folder.path() / name).parent_path());
        std::ofstream(folder.path() / name) << text;
    };
    write("config.json", kBert);
    const auto read = [&] { return read_graph(folder.path() / "config.json", {}); };
    CHECK(node_of(read().value(), "embedding").op == NodeOp::kNormalize);
    write("modules.json", R"([{"type": "sentence_transformers.models.Transformer"},
        {"type": "sentence_transformers.models.Pooling"}])");
    write("1_Pooling/config.json", R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})");
    const Result<Graph> graph = read();
    REQUIRE(graph.ok());
    CHECK(node_of(graph.value(), "embedding").op == NodeOp::kPool);
    CHECK(node_of(graph.value(), "embedding").pooling == Pooling::kFirst);
    write("1_Pooling/config.json", R"({"pooling_mode_max_tokens": true})");
    CHECK(node_of(read().value(), "embedding").pooling == Pooling::kMax);
    write("1_Pooling/config.json", R"({"pooling_mode": "median"})");
    require_error(read().status(), StatusCode::kParseError,
                  {"1_Pooling", "pooling_mode: expected one of mean, cls", "median"});
    // As early versions wrote it: the network in a folder of its own.
    write("1_Pooling/config.json", R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})");
    write("modules.json", R"([{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}])");
    require_error(read().status(), StatusCode::kParseError, {"modules.json", "[0].path", "0_Transformer"});
    write("0_Transformer/config.json", kBert);
    CHECK(network_folder(folder.path()) == folder.path() / "0_Transformer");
    CHECK(file_of_checkpoint(folder.path()) == folder.path() / "0_Transformer" / "config.json");
    const Result<Graph> below = read_graph(folder.path() / "0_Transformer" / "config.json", {});
    REQUIRE(below.ok());
    CHECK(node_of(below.value(), "embedding").pooling == Pooling::kFirst);
    write("1_Pooling/config.json", kBert);  // in no folder of a network
    CHECK(node_of(read_graph(folder.path() / "1_Pooling" / "config.json", {}).value(), "embedding").op ==
          NodeOp::kNormalize);
    write("modules.json", R"([{"type": "sentence_transformers.models.Dense"}])");
    require_error(read().status(), StatusCode::kParseError, {"modules.json", "[0].type", "Dense"});
}

TEST_CASE("sentence-transformers' modules in any legal order") {
    const TempFolder folder;
    const auto write = [&](const std::string& name, const std::string& text) {
        std::filesystem::create_directories((folder.path() / name).parent_path());
        std::ofstream(folder.path() / name) << text;
    };
    const auto modules = [&](const std::vector<std::string>& types) {
        std::string text;
        for (std::size_t i = 0; i < types.size(); i++)
            text += (i ? "," : "[") + std::string(R"({"type": "sentence_transformers.models.)") + types[i] +
                    R"(", "path": ")" + (i ? std::to_string(i) + "_" + types[i] : "") + "\"}";
        write("modules.json", text + "]");
        return read_sentence_modules(folder.path());
    };
    const auto error = [&](const std::vector<std::string>& types, const std::vector<std::string>& words) {
        require_error(modules(types).status(), StatusCode::kParseError, words);
    };
    write("config.json", kBert);
    // Flags in the order in which the rows are put side by side; modes in the file's.
    write("1_Pooling/config.json", R"({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true})");
    CHECK(modules({"Transformer", "Pooling"}).value().front().poolings == std::vector{Pooling::kFirst, Pooling::kMean});
    write("1_Pooling/config.json",
          R"({"pooling_mode": ["weightedmean", "mean_sqrt_len_tokens"], "embedding_dimension": 8})");
    CHECK(modules({"Transformer", "Pooling"}).value().front().poolings ==
          std::vector{Pooling::kWeightedMean, Pooling::kMeanSqrtLength});
    CHECK(modules({"Transformer"}).value().empty());  // beside a cross-encoder

    const std::vector<std::string> dense = {"Transformer", "Pooling", "Dense"};
    write("2_Dense/config.json", R"({"in_features": 8, "out_features": 6, "bias": false})");
    error(dense, {"modules.json", "[2].path: expected a folder with model.safetensors"});
    write("2_Dense/model.safetensors", "");
    const SentenceModule read = modules(dense).value().back();
    CHECK((read.features == 6 && !read.bias && read.activation.word == "tanh" && read.name == "2_Dense"));
    CHECK(weights_of_modules(folder.path()).front().prefix == "2_Dense.");
    const auto activation = [&](const std::string& name) {
        write("2_Dense/config.json", R"({"out_features": 6, "activation_function": ")" + name + "\"}");
        return modules(dense);
    };
    CHECK(activation("torch.nn.modules.linear.Identity").value().back().activation.known == Activation::kNone);
    CHECK(activation("torch.nn.modules.activation.GELU").value().back().activation.known == Activation::kGelu);
    require_error(activation("torch.nn.modules.activation.Mish").status(), StatusCode::kParseError,
                  {"2_Dense", "activation_function: expected torch's Tanh", "Mish"});
    write("2_Dense/config.json", R"({"out_features": 6, "module_input_name": "token_embeddings"})");
    error(dense, {"module_input_name: expected sentence_embedding", "token_embeddings"});
    write("2_Dense/config.json", R"({"out_features": 6, "use_residual": true})");
    error(dense, {"use_residual: expected false"});

    CHECK(modules({"Transformer", "Pooling", "Normalize", "Dropout", "Normalize"}).value().size() == 3);
    error({"Pooling"}, {"[0].type: expected Transformer in this place", "Pooling"});
    error({"Transformer", "Normalize"}, {"[1].type: expected Pooling in this place", "Normalize"});
    error({"Transformer", "Pooling", "Pooling"}, {"[2].type: expected Dense, Normalize or Dropout", "Pooling"});
    error({"Transformer", "Pooling", "LSTM"}, {"[2].type", "LSTM"});
    error({"Transformer", "Pooling", "Dense/../../x"}, {"[2].path: expected a folder below"});
}

}  // namespace
}  // namespace octile::test
