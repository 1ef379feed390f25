// Networks of configurations and tensors: what reads what, what stands behind it, and what is refused. What torch runs
// of these networks is compared by tools/check_plan.py.
#include "families/build_network.h"

#include "tests/families/networks.h"

using namespace octile;

TEST_CASE("families: a configuration and the tensors it describes give the same network") {
    const std::vector<std::pair<std::string, std::string>> networks = {
        {"bert", "BertForSequenceClassification"},
        {"roberta", "RobertaForMaskedLM"},
        {"llama", "LlamaForCausalLM"},
        {"mistral", "MistralForTokenClassification"},
        {"qwen2", "Qwen2Model"},
        {"qwen3", "Qwen3ForSequenceClassification"},
        {"smollm3", "SmolLM3ForCausalLM"},
        {"olmo2", "Olmo2ForCausalLM"},
        {"gemma2", "Gemma2ForCausalLM"},
        {"phi3", "Phi3ForCausalLM"},
        {"starcoder2", "Starcoder2ForCausalLM"},
        {"electra", "ElectraForPreTraining"},
        {"mpnet", "MPNetForMaskedLM"},
        {"albert", "AlbertForPreTraining"},
        {"nomic_bert", "NomicBertForSequenceClassification"},
        {"deberta-v2", "DebertaV2ForSequenceClassification"},
        {"modernbert", "ModernBertForMaskedLM"},
        {"gpt_neox", "GPTNeoXForCausalLM"},
        {"falcon", "FalconForCausalLM"}};
    for (const auto& [type, architecture] : networks) {
        INFO(type << " " << architecture);
        json config = config_of(type, architecture);
        if (type == "falcon") config.erase("intermediate_size");  // has a key of its own
        const auto [described, both] = check_described(config);
        // Everything around the names leaves the network what it is.
        const TensorList wrapped = tensors_of(described.graph, "module._orig_mod.");
        const FamilyNetwork inner = build(config, &wrapped);
        CHECK(inner.graph.nodes.size() == both.graph.nodes.size());
        CHECK(inner.obstacles.size() == both.obstacles.size());
    }
}

TEST_CASE("families: who reads whom") {
    const Model bert = thin(build(config_of("bert", "BertForSequenceClassification")));
    const std::string block = "encoder.layer.1.";
    CHECK(row(bert, block + "attention.self.value").inputs == Strings{"encoder.layer.0.output.LayerNorm"});
    CHECK(row(bert, block + "attention.output.dense").inputs ==
          Strings{block + "attention.self.query", block + "attention.self.key", block + "attention.self.value"});
    CHECK(row(bert, block + "intermediate.dense").activation == Activation::kGelu);
    CHECK(row(bert, "classifier").m == 1);

    const Model gemma = thin(build(config_of("gemma2", "Gemma2ForCausalLM")));
    CHECK(row(gemma, "model.layers.0.mlp.gate_proj").inputs == Strings{"model.layers.0.pre_feedforward_layernorm"});
    CHECK(row(gemma, "model.layers.0.mlp.gate_proj").activation == Activation::kGeluTanh);
    const Model olmo = thin(build(config_of("olmo2", "Olmo2ForCausalLM")));
    CHECK(row(olmo, "model.layers.0.mlp.up_proj").input_unknown);  // a sum, and no norm
    const Model phi3 = thin(build(config_of("phi3", "Phi3ForCausalLM")));
    CHECK(row(phi3, "model.layers.0.self_attn.qkv_proj").inputs == Strings{"model.layers.0.input_layernorm"});
    CHECK(row(phi3, "model.layers.0.mlp.down_proj").input_unknown);
    CHECK(row(phi3, "model.layers.0.mlp.gate_up_proj").activation == Activation::kNone);
}

TEST_CASE("families: cross-attention reads the encoder") {
    json config = config_of("bert", "BertModel");
    config["is_decoder"] = config["add_cross_attention"] = true;
    const FamilyNetwork network = build(config);
    const Model layers = layers_of(network.graph, 8);
    CHECK(row(layers, "encoder.layer.0.crossattention.self.query").inputs ==
          Strings{"encoder.layer.0.attention.output.LayerNorm"});
    CHECK(row(layers, "encoder.layer.0.crossattention.self.key").inputs == Strings{"encoder_hidden_states"});
    CHECK(mentions(network.obstacles, "is_decoder"));
}

TEST_CASE("families: experts see a part of the tokens, which is an assumption") {
    json config = config_of("qwen3_moe", "Qwen3MoeForCausalLM");
    config["num_experts"] = 8;
    config["num_experts_per_tok"] = 2;
    config["moe_intermediate_size"] = 12;
    const Model layers = layers_of(build(config).graph, 16);
    const Layer& gate = row(layers, "model.layers.0.mlp.experts.3.gate_proj");
    CHECK(gate.m == 4);
    CHECK(gate.activation == Activation::kSilu);
    CHECK(mentions(gate.assumptions, "2 of 8 experts"));
    CHECK(gate.inputs == row(layers, "model.layers.0.mlp.experts.3.up_proj").inputs);
    CHECK(gate.inputs != row(layers, "model.layers.0.mlp.experts.4.gate_proj").inputs);
    CHECK(row(layers, "model.layers.0.mlp.gate").m == 16);
}

TEST_CASE("families: names alone are an assumption") {
    const FamilyNetwork described = build(config_of("llama", "LlamaForCausalLM"));
    const TensorList tensors = tensors_of(described.graph);
    const FamilyNetwork named = must(build_network(nullptr, &tensors, {}));
    CHECK(named.model_type == "llama");
    CHECK(named.by_names);
    CHECK_FALSE(named.obstacles.empty());
    const Layer gate = row(thin(named), "model.layers.0.mlp.gate_proj");
    CHECK(gate.activation == Activation::kSilu);
    CHECK(mentions(gate.assumptions, "by its names"));
    CHECK(mentions(gate.assumptions, "silu"));

    TensorList strange;
    strange.add("blocks.0.q.weight", {4, 4});
    CHECK(build_network(nullptr, &strange, {}).status().code() == StatusCode::kUnsupported);
}

TEST_CASE("families: linears that lie [K, N]") {
    TensorList tensors;
    tensors.add("h.0.attn.c_attn.weight", {8, 24});
    tensors.add("h.0.attn.c_proj.weight", {8, 8});
    tensors.add("h.0.mlp.c_fc.weight", {8, 32});
    tensors.add("h.0.mlp.c_proj.weight", {32, 8});
    tensors.add("h.0.ln_1.weight", {8});
    tensors.add("wte.weight", {50, 8});
    const json config = {{"model_type", "gpt2"}};
    const Model layers = thin(build(config, &tensors));
    CHECK((row(layers, "h.0.attn.c_attn").k == 8 && row(layers, "h.0.attn.c_attn").n == 24));
    CHECK(row(layers, "h.0.attn.c_attn").inputs == Strings{"h.0.ln_1"});
    CHECK(row(layers, "h.0.mlp.c_fc").activation == Activation::kGeluTanh);
    const std::vector<std::string_view> transposed = transposed_linears(&config, tensors);
    CHECK(std::find(transposed.begin(), transposed.end(), "attn.c_attn") != transposed.end());
}

TEST_CASE("families: keys that nobody knows, and values that no session runs") {
    const auto obstacles = [](const std::string& key, const json& value) {
        json config = config_of("llama", "LlamaForCausalLM");
        config[key] = value;
        return build(config).obstacles;
    };
    CHECK(obstacles("rms_norm_eps", 1e-5).empty());
    CHECK(obstacles("pretraining_tp", 2).empty());
    CHECK(obstacles("is_causal", nullptr).empty());  // as if it were not there
    CHECK(mentions(obstacles("is_causal", false), "is_causal"));
    CHECK(mentions(obstacles("use_sliding_window", true), "use_sliding_window"));
    CHECK(mentions(obstacles("no_rope_layers", {1, 0}), "no_rope_layers"));
    CHECK(mentions(
        obstacles("rope_scaling",
                  {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}}),
        "original_max_position_embeddings"));
    CHECK(mentions(obstacles("architectures", {"LlamaForSomething"}), "LlamaForSomething"));

    json config = config_of("llama", "LlamaForCausalLM");
    config["is_causal"] = false;
    CHECK(build(config, nullptr, {.name = "net", .ignore_keys = {"is_causal"}}).obstacles.empty());
}

// The node of an attention in a block.
const Node& attention_of(const FamilyNetwork& network, const std::string& block) {
    for (const Node& node : network.graph.nodes)
        if (node.op == NodeOp::kAttention && node.name.starts_with(block)) return node;
    FAIL("no attention in " << block);
    return network.graph.nodes.front();
}

TEST_CASE("families: rotary embeddings for each layer type, and windows") {
    json config = config_of("qwen3", "Qwen3ForCausalLM");
    config["rope_parameters"] = {{"full_attention", {{"rope_theta", 1e6}, {"rope_type", "default"}}}};
    const FamilyNetwork nested = build(config);
    CHECK(nested.obstacles.empty());
    const auto attention = std::find_if(nested.graph.nodes.begin(), nested.graph.nodes.end(),
                                        [](const Node& node) { return node.op == NodeOp::kAttention; });
    REQUIRE(attention != nested.graph.nodes.end());
    CHECK(attention->rotary == Rotary{1e6});

    const auto with = [](json more, const std::string& type = "qwen3") {
        json changed = config_of(type, "ForCausalLM");
        changed.update(more);
        return build(changed).obstacles;
    };
    CHECK(with({{"use_sliding_window", true}, {"sliding_window", 8}, {"max_window_layers", 2}}).empty());
    json windowed = config_of("qwen3", "Qwen3ForCausalLM");
    windowed.update({{"use_sliding_window", true}, {"sliding_window", 8}, {"max_window_layers", 1}});
    CHECK(build(windowed).obstacles.empty());
    CHECK(attention_of(build(windowed), "model.layers.0.").window == std::nullopt);
    CHECK(attention_of(build(windowed), "model.layers.1.").window == 7);  // and the token itself
    windowed["layer_types"] = {"sliding_attention", "full_attention"};
    CHECK(attention_of(build(windowed), "model.layers.0.").window == 7);
    CHECK(attention_of(build(windowed), "model.layers.1.").window == std::nullopt);
    windowed["layer_types"] = {"sliding_attention", "chunked_attention"};
    CHECK(mentions(build(windowed).obstacles, "sliding_window"));
    // The default of a Mistral is a window, and null is none.
    CHECK(with(json::object(), "mistral").empty());  // of 4096, and no text is longer than 32
    json mistral = config_of("mistral", "MistralForCausalLM");
    mistral["max_position_embeddings"] = 8192;
    CHECK(attention_of(build(mistral), "model.layers.1.").window == 4095);
    CHECK(mentions(with({{"use_sliding_window", true}, {"sliding_window", 8}, {"max_window_layers", 1}}, "smollm3"),
                   "sliding_window"));
    CHECK(with({{"max_position_embeddings", 8192}, {"sliding_window", nullptr}}, "mistral").empty());
}

TEST_CASE("families: heads of any width") {
    json config = config_of("bert", "BertModel");
    CHECK(build(config).obstacles.empty());
    config["hidden_size"] = 104;  // rubert-tiny2's: 12 heads of 26
    const FamilyNetwork odd = build(config);
    CHECK(odd.obstacles.empty());
    CHECK(row(thin(odd), "encoder.layer.1.attention.self.value").n == 104);
    json decoder = config_of("llama", "LlamaForCausalLM");
    decoder["head_dim"] = 24;
    CHECK(build(decoder).obstacles.empty());
}

TEST_CASE("families: encoders that a session runs, with each of their heads") {
    const std::vector<std::pair<std::string, Strings>> networks = {
        {"bert",
         {"BertModel", "BertForSequenceClassification", "BertForTokenClassification", "BertForQuestionAnswering",
          "BertForMaskedLM", "BertForNextSentencePrediction", "BertForPreTraining", "BertForMultipleChoice"}},
        {"roberta", {"RobertaModel", "RobertaForSequenceClassification", "RobertaForTokenClassification"}},
        {"distilbert", {"DistilBertModel", "DistilBertForSequenceClassification", "DistilBertForMultipleChoice"}},
        {"electra", {"ElectraModel", "ElectraForSequenceClassification", "ElectraForPreTraining"}},
        {"mpnet", {"MPNetModel", "MPNetForSequenceClassification", "MPNetForTokenClassification"}},
        {"albert", {"AlbertModel", "AlbertForSequenceClassification", "AlbertForPreTraining"}},
        {"modernbert", {"ModernBertModel", "ModernBertForSequenceClassification", "ModernBertForMaskedLM"}},
        {"nomic_bert", {"NomicBertModel", "NomicBertForSequenceClassification", "NomicBertForTokenClassification"}}};
    for (const auto& [type, architectures] : networks) {
        for (const std::string& architecture : architectures) {
            INFO(architecture);
            json config = config_of(type, architecture);
            if (type == "distilbert") config.update({{"dim", 64}, {"hidden_dim", 40}, {"n_layers", 2}, {"n_heads", 4}});
            if (type == "distilbert")
                for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"})
                    config.erase(key);
            CHECK(build(config).obstacles == Strings());
        }
    }
}

TEST_CASE("families: ALBERT's runs share the weights of their group") {
    json config = config_of("albert", "AlbertModel");
    config.update({{"num_hidden_layers", 6}, {"num_hidden_groups", 2}, {"inner_group_num", 2}});
    const FamilyNetwork network = build(config);
    CHECK(network.obstacles.empty());
    const std::string inner = "albert_layer_groups.1.albert_layers.0.ffn";
    std::map<std::string, int> uses;
    for (const Node& node : network.graph.nodes)
        if (node.op == NodeOp::kLinear && node.name.ends_with(inner)) {
            uses[node.shared]++;
            CHECK(node.weight == "encoder." + inner + ".weight");
            CHECK(node.name == (node.shared.empty() ? "encoder." + inner : node.name));
        }
    // The second group runs in layers 3 to 5.
    CHECK(uses == std::map<std::string, int>{{"", 1}, {"encoder." + inner, 2}});
    CHECK(row(thin(network), "repeat.5.encoder." + inner).n == 40);
    config["num_hidden_layers"] = 1;
    CHECK(build(config).obstacles == Strings());
}

TEST_CASE("families: ModernBERT's layers see all or a window, and turn by their own angles") {
    json config = config_of("modernbert", "ModernBertModel");
    config["num_hidden_layers"] = 4;
    config["local_attention"] = 10;
    const FamilyNetwork network = build(config);
    CHECK(attention_of(network, "layers.3.").window == std::nullopt);
    CHECK(attention_of(network, "layers.3.").rotary == Rotary{160000});
    CHECK(attention_of(network, "layers.2.").window == 5);
    CHECK(attention_of(network, "layers.2.").rotary == Rotary{10000});
    config["global_attn_every_n_layers"] = 2;
    config["global_rope_theta"] = 5000;
    config["local_rope_theta"] = nullptr;
    CHECK(attention_of(build(config), "layers.2.").rotary == Rotary{5000});
    CHECK(attention_of(build(config), "layers.1.").window == 5);
    CHECK(attention_of(build(config), "layers.1.").rotary == Rotary{5000});
    config["layer_types"] = {"sliding_attention", "full_attention", "full_attention", "full_attention"};
    config["rope_parameters"] = {{"sliding_attention", {{"rope_theta", 77.0}, {"rope_type", "default"}}}};
    CHECK(attention_of(build(config), "layers.0.").rotary == Rotary{77});
    config["rope_parameters"]["sliding_attention"]["rope_type"] = "yarn";
    CHECK(mentions(build(config).obstacles, "rope_parameters.sliding_attention.rope_type: expected default"));
    config["layer_types"] = {"full_attention"};
    const json document = json::parse(config.dump());
    CHECK(build_network(&document, nullptr, {}).status().message().starts_with("layer_types: expected"));
}

TEST_CASE("families: MPNet's bias by distance, from a table of 32 rows") {
    json config = config_of("mpnet", "MPNetModel");
    config["pad_token_id"] = 7;
    const FamilyNetwork network = build(config);
    const std::optional<DistanceBias> bias = attention_of(network, "encoder.layer.1.").distance_bias;
    CHECK(bias == DistanceBias{.tensor = "encoder.relative_attention_bias.weight"});
    CHECK(network.graph.nodes.front().tables.back().offset == 2);  // whatever pad_token_id is
    config["relative_attention_num_buckets"] = 64;
    CHECK(mentions(build(config).obstacles, "encoder.relative_attention_bias.weight: expected [32, 4]"));
}

TEST_CASE("families: Nomic BERT by the keys that its authors' files have") {
    const json config = {{"model_type", "nomic_bert"},
                         {"architectures", {"NomicBertModel"}},
                         {"n_embd", 64},
                         {"n_inner", 96},
                         {"n_head", 4},
                         {"n_layer", 2},
                         {"vocab_size", 50},
                         {"activation_function", "swiglu"},
                         {"rotary_emb_base", 500},
                         {"rotary_emb_fraction", 1.0},
                         {"rotary_scaling_factor", nullptr},
                         {"qkv_proj_bias", false},
                         {"mlp_fc1_bias", false},
                         {"mlp_fc2_bias", false},
                         {"n_positions", 8192},
                         {"prenorm", false},
                         {"auto_map", json::object()}};
    const FamilyNetwork network = build(config);
    CHECK(network.obstacles == Strings());
    CHECK(attention_of(network, "encoder.layers.1.").rotary == Rotary{500});
    CHECK(row(thin(network), "encoder.layers.1.mlp.fc12").n == 96);
    for (const auto& [key, value] : std::vector<std::pair<std::string, json>>{{"prenorm", true},
                                                                              {"rotary_scaling_factor", 2.0},
                                                                              {"rotary_emb_fraction", 0.5},
                                                                              {"activation_function", "gelu"}}) {
        json other = config;
        other[key] = value;
        CHECK(mentions(build(other).obstacles, key + ": expected"));
    }
}

TEST_CASE("families: modules behind a bare network") {
    using Kind = SentenceModule::Kind;
    const NetworkOptions options = {
        .name = "net",
        .sentence_embedding = true,
        .modules = {{.name = "1_Pooling", .poolings = {Pooling::kFirst, Pooling::kMax}},
                    {.kind = Kind::kNormalize, .name = "2_Normalize"},
                    {.kind = Kind::kDense, .name = "3_Dense", .features = 12, .activation = {std::nullopt, "tanh"}}}};
    const FamilyNetwork network = build(config_of("bert", "BertForMaskedLM"), nullptr, options);
    CHECK(network.obstacles.empty());
    CHECK(network.graph.outputs == Strings{"embedding"});
    CHECK(network.graph.nodes.back().op == NodeOp::kTanh);
    const Layer dense = row(thin(network), "3_Dense.linear");
    CHECK((dense.k == 128 && dense.n == 12));
}

TEST_CASE("families: heads of keys and values by the default of the type, and as many as of queries where null") {
    for (const auto& [type, heads] : {std::pair("mistral", 8), {"smollm3", 4}, {"starcoder2", 2}}) {
        INFO(type);
        json config = config_of(type, "ForCausalLM");
        config.erase("num_key_value_heads");
        config["num_attention_heads"] = 16;
        config["hidden_size"] = 256;
        const std::string key = "model.layers.0.self_attn.k_proj";
        CHECK(row(thin(build(config)), key).n == heads * 16);
        config["num_key_value_heads"] = nullptr;
        CHECK(row(thin(build(config)), key).n == 256);
    }
}

TEST_CASE("families: layers within a window turn by their own angles") {
    json config = config_of("qwen3", "Qwen3ForCausalLM");
    config["layer_types"] = {"sliding_attention", "full_attention"};
    config["use_sliding_window"] = true;
    config["sliding_window"] = 32;  // as long as any text
    config["rope_parameters"] = {{"full_attention", {{"rope_theta", 1e6}, {"rope_type", "default"}}},
                                 {"sliding_attention", {{"rope_theta", 1e6}, {"rope_type", "default"}}}};
    CHECK(build(config).obstacles.empty());
    config["rope_parameters"]["sliding_attention"]["rope_theta"] = 1e4;
    CHECK(mentions(build(config).obstacles, "rope_parameters"));
}

TEST_CASE("families: DeBERTa's keys and queries of distances") {
    json config = config_of("deberta-v2", "DebertaV2Model");
    config["relative_attention"] = true;
    config["position_buckets"] = -1;
    config["max_relative_positions"] = 20;
    const std::string at = "encoder.layer.1.attention.self.";
    const auto count = [&] {
        const Model layers = thin(build(config));
        return std::count_if(layers.layers.begin(), layers.layers.end(),
                             [](const Layer& layer) { return layer.name.find("pos_") != std::string::npos; });
    };
    CHECK(count() == 0);
    config["pos_att_type"] = "p2c|c2p";
    CHECK(count() == 4);
    CHECK(row(thin(build(config)), at + "pos_key_proj").m == 40);
    config["pos_att_type"] = {"c2p"};
    CHECK(count() == 2);
    config["share_att_key"] = true;
    CHECK(count() == 0);
}

TEST_CASE("families: what names do not tell is not claimed") {
    json opt = config_of("opt", "OPTForCausalLM");
    opt["ffn_dim"] = 40;
    for (const bool before : {true, false}) {
        opt["do_layer_norm_before"] = before;
        const TensorList tensors = tensors_of(build(opt).graph);
        const FamilyNetwork named = must(build_network(nullptr, &tensors, {}));
        REQUIRE(named.model_type == "opt");
        const Layer query = row(thin(named), "model.decoder.layers.1.self_attn.q_proj");
        CHECK(query.inputs == Strings{before ? "model.decoder.layers.1.self_attn_layer_norm"
                                             : "model.decoder.layers.0.final_layer_norm"});
    }
}

TEST_CASE("families: a head that is tied, or that nobody finds") {
    json config = config_of("llama", "LlamaForCausalLM");
    TensorList tensors = tensors_of(build(config).graph);
    CHECK(build(config, &tensors).obstacles.empty());
    TensorList headless;
    const FamilyNetwork bare = build(config_of("llama", "LlamaModel"));
    headless = tensors_of(bare.graph);
    CHECK(mentions(build(config, &headless).obstacles, "tie_word_embeddings"));
    config["tie_word_embeddings"] = true;
    const FamilyNetwork tied = build(config, &headless);
    CHECK(tied.obstacles.empty());
    CHECK(tied.graph.nodes.back().weight == "model.embed_tokens.weight");
}

TEST_CASE("families: a checkpoint that is not what its configuration says is planned by its shapes, and not run") {
    const json config = config_of("llama", "LlamaForCausalLM");
    TensorList tensors = tensors_of(build(config).graph);
    tensors.add("model.layers.0.self_attn.q_proj.weight", {96, 64});
    const FamilyNetwork network = build(config, &tensors);
    CHECK(mentions(network.obstacles, "q_proj"));
    const Model layers = thin(network);
    CHECK(row(layers, "model.layers.0.self_attn.q_proj").n == 96);
    CHECK(row(layers, "model.layers.0.self_attn.k_proj").inputs == Strings{"model.layers.0.input_layernorm"});
}

TEST_CASE("families: DeBERTa's convolution stands between the first two blocks") {
    json config = config_of("deberta-v2", "DebertaV2Model");
    const std::string second = "encoder.layer.1.attention.self.value_proj";
    CHECK(row(thin(build(config)), second).inputs == Strings{"encoder.layer.0.output.LayerNorm"});
    config["conv_kernel_size"] = 3;
    CHECK(row(layers_of(build(config).graph, 8), second).inputs == Strings{"encoder.conv"});
    CHECK(row(thin(build(config)), second).inputs != Strings{"encoder.layer.0.output.LayerNorm"});
}

TEST_CASE("families: Gemma 3's text within a larger configuration, which leaves out what is transformers' default") {
    const json config = {{"model_type", "gemma3"},
                         {"architectures", {"Gemma3ForConditionalGeneration"}},
                         {"text_config",
                          {{"model_type", "gemma3_text"},
                           {"hidden_size", 24},
                           {"intermediate_size", 40},
                           {"num_hidden_layers", 1},
                           {"_sliding_window_pattern", 6}}}};
    const FamilyNetwork network = build(config);
    CHECK(network.unknown_keys.empty());
    const Model layers = thin(network);
    const auto ends_with = [&](const std::string& ending) {
        const auto found = std::find_if(layers.layers.begin(), layers.layers.end(),
                                        [&](const Layer& layer) { return layer.name.ends_with(ending); });
        REQUIRE(found != layers.layers.end());
        return *found;
    };
    CHECK(ends_with("q_proj").n == 8 * 256);
    CHECK(ends_with("k_proj").n == 4 * 256);
    CHECK(ends_with("lm_head").n == 262208);
}
