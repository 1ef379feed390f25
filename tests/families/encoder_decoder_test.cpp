// BART, Marian and T5: two halves, and what each reads.
#include "tests/families/networks.h"

using namespace octile;

namespace {

json bart_config(const std::string& type, const std::string& architecture) {
    return {{"model_type", type},
            {"architectures", {architecture}},
            {"vocab_size", 50},
            {"d_model", 24},
            {"encoder_layers", 2},
            {"decoder_layers", 1},
            {"encoder_ffn_dim", 40},
            {"decoder_ffn_dim", 56},
            {"encoder_attention_heads", 4},
            {"decoder_attention_heads", 2}};
}

json t5_config(const std::string& architecture, const std::string& feed_forward) {
    return {{"model_type", "t5"},
            {"architectures", {architecture}},
            {"vocab_size", 50},
            {"d_model", 24},
            {"d_kv", 5},
            {"d_ff", 40},
            {"num_layers", 2},
            {"num_heads", 4},
            {"feed_forward_proj", feed_forward}};
}

}  // namespace

TEST_CASE("families: halves of a configuration and of the tensors it describes are the same") {
    const std::vector<json> configs = {bart_config("bart", "BartForConditionalGeneration"),
                                       bart_config("bart", "BartForSequenceClassification"),
                                       bart_config("bart", "BartForCausalLM"),
                                       bart_config("marian", "MarianMTModel"),
                                       t5_config("T5ForConditionalGeneration", "relu"),
                                       t5_config("T5ForConditionalGeneration", "gated-gelu"),
                                       t5_config("T5EncoderModel", "relu"),
                                       t5_config("T5ForTokenClassification", "gated-silu")};
    for (const json& config : configs) {
        INFO(config.dump());
        const FamilyNetwork described = check_described(config).described;
        CHECK_FALSE(described.obstacles.empty());
    }
}

TEST_CASE("families: a decoder's queries read it, and keys and values the encoder") {
    const Model bart = thin(build(bart_config("bart", "BartForConditionalGeneration")));
    const std::string block = "model.decoder.layers.0.";
    CHECK(row(bart, block + "encoder_attn.q_proj").inputs == Strings{block + "self_attn_layer_norm"});
    CHECK(row(bart, block + "encoder_attn.v_proj").inputs == Strings{"model.encoder.layers.1.final_layer_norm"});
    CHECK(row(bart, "model.encoder.layers.0.self_attn.q_proj").inputs == Strings{"model.encoder.layernorm_embedding"});
    CHECK(row(bart, block + "fc1").n == 56);
    CHECK(row(bart, block + "fc1").activation == Activation::kGelu);
    CHECK_FALSE(row(bart, "lm_head").bias);
    const Model marian = thin(build(bart_config("marian", "MarianMTModel")));
    CHECK(row(marian, "model.encoder.layers.0.self_attn.q_proj").inputs.empty());  // no norm behind the table

    const Model t5 = thin(build(t5_config("T5ForConditionalGeneration", "gated-gelu")));
    const std::string second = "decoder.block.1.layer.";
    CHECK(row(t5, second + "0.SelfAttention.q").n == 20);
    CHECK(row(t5, second + "1.EncDecAttention.k").inputs == Strings{"encoder.final_layer_norm"});
    CHECK(row(t5, second + "1.EncDecAttention.q").inputs == Strings{second + "1.layer_norm"});
    CHECK(row(t5, second + "2.DenseReluDense.wi_0").activation == Activation::kGeluTanh);
    CHECK(row(t5, second + "2.DenseReluDense.wi_1").inputs == Strings{second + "2.layer_norm"});
}

TEST_CASE("families: what T5's head reads is scaled where it is tied") {
    json config = t5_config("T5ForConditionalGeneration", "relu");
    CHECK(row(thin(build(config)), "lm_head").input_unknown);
    config["tie_word_embeddings"] = false;
    CHECK(row(thin(build(config)), "lm_head").inputs == Strings{"decoder.final_layer_norm"});
    config["tie_word_embeddings"] = true;  // as 5.x writes it
    config["scale_decoder_outputs"] = false;
    CHECK(row(thin(build(config)), "lm_head").inputs == Strings{"decoder.final_layer_norm"});
}

TEST_CASE("families: halves are told by names, and each alone") {
    json config = t5_config("T5ForConditionalGeneration", "gated-gelu");
    config["tie_word_embeddings"] = false;
    const FamilyNetwork described = build(config);
    const TensorList tensors = tensors_of(described.graph);
    const FamilyNetwork t5 = must(build_network(nullptr, &tensors, {}));
    CHECK(t5.model_type == "t5");
    CHECK(thin(t5).layers.size() == thin(described).layers.size());
    CHECK(mentions(row(thin(t5), "decoder.block.0.layer.2.DenseReluDense.wi_0").assumptions, "gelu_new"));
    for (const auto& [type, architecture] :
         {std::pair("bart", "BartForConditionalGeneration"), {"marian", "MarianMTModel"}}) {
        const TensorList halves = tensors_of(build(bart_config(type, architecture)).graph);
        CHECK(must(build_network(nullptr, &halves, {})).model_type == type);
    }
}
