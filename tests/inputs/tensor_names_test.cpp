#include "inputs/tensor_names.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace octile;

TEST_CASE("tensor names: natural order is a total order with numbers as numbers") {
    const std::vector<std::string> sorted = {"",
                                             "a",
                                             "a.1",
                                             "a.1.x",
                                             "a.01.y",
                                             "a.2",
                                             "a.10",
                                             "a.10.b",
                                             "a.99999999999999999999999999",
                                             "a.100000000000000000000000000",
                                             "a.b",
                                             "b1",
                                             "b1a",
                                             "b2"};
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        for (std::size_t j = 0; j < sorted.size(); ++j) {
            INFO(sorted[i] << " against " << sorted[j]);
            CHECK((natural_order(sorted[i], sorted[j]) < 0) == (i < j));
            CHECK((natural_order(sorted[i], sorted[j]) == 0) == (i == j));
        }
    }
    CHECK((natural_order("a.01", "a.1") != 0));
}

TEST_CASE("tensor names: blocks, sections and ranks") {
    CHECK(facts_of("encoder.layer.11.output.dense").prefix == "encoder.layer.11.");
    CHECK(facts_of("h.3.mlp.0.fc").prefix == "h.3.mlp.0.");
    CHECK(facts_of("pooler.dense").prefix.empty());
    CHECK(facts_of("layer.5").prefix.empty());  // the number is the layer's own

    const std::vector<std::string> sorted = {"vit.embeddings.norm",
                                             "model.encoder.layers.0.self_attn_layer_norm",
                                             "model.encoder.layers.0.self_attn.q_proj",
                                             "model.encoder.layers.0.self_attn.out_proj",
                                             "model.encoder.layers.0.final_layer_norm",
                                             "model.encoder.layers.0.fc1",
                                             "model.encoder.layers.0.fc2",
                                             "model.encoder.layers.2.fc1",
                                             "model.encoder.layers.10.fc1",
                                             "model.decoder.layers.0.self_attn_layer_norm",
                                             "model.decoder.layers.0.self_attn.k_proj",
                                             "model.decoder.layers.0.encoder_attn_layer_norm",
                                             "model.decoder.layers.0.encoder_attn.k_proj",
                                             "model.decoder.layers.0.encoder_attn.out_proj",
                                             "model.decoder.layers.0.final_layer_norm",
                                             "model.decoder.layers.0.fc1",
                                             "model.decoder.layers.0.zzz_unknown",
                                             "model.norm",
                                             "lm_head"};
    std::vector<std::string> mixed = sorted;
    std::reverse(mixed.begin(), mixed.end());
    std::sort(mixed.begin(), mixed.end(), runs_before);
    CHECK(mixed == sorted);
}

TEST_CASE("tensor names: activations by convention") {
    CHECK(facts_of("encoder.layer.0.intermediate.dense").activation == Activation::kGelu);
    CHECK(facts_of("blocks.3.mlp.fc1").activation == Activation::kGelu);
    CHECK(facts_of("model.layers.0.mlp.gate_proj").activation == Activation::kSilu);
    CHECK(facts_of("mobilevit.encoder.layer.2.transformer.layer.0.intermediate.dense").activation == Activation::kSilu);
    for (const std::string name : {"encoder.layer.0.output.dense", "blocks.3.mlp.fc2", "model.layers.0.mlp.up_proj",
                                   "decoder.layers.0.fc1", "notintermediate.dense", "pooler.dense"}) {
        INFO(name);
        CHECK(facts_of(name).activation == Activation::kNone);
    }
}

TEST_CASE("tensor names: embeddings and norms") {
    for (const std::string name :
         {"transformer.wte", "wpe", "shared", "model.embed_tokens", "bert.embeddings.word_embeddings",
          "model.encoder.embed_positions", "x.token_type", "block.0.layer.0.SelfAttention.relative_attention_bias"}) {
        INFO(name);
        CHECK(table_name(name) == TableName::kKnown);
    }
    for (const std::string name : {"model.embed", "emb", "tok_emb", "pos_emb", "token_embd", "quantizer.codebook",
                                   "rel_attn_embed", "embed_chars", "audio_embed.3"}) {
        INFO(name);
        CHECK(table_name(name) == TableName::kLikely);
    }
    for (const std::string name :
         {"lm_head", "h.0.attn.c_attn", "swte.fc", "encoder.layer.0.attention.self.query", "embed_out",
          "encoder.embed_proj", "position_linear", "time_embedding.linear_1", "embeddings.fc", "3"}) {
        INFO(name);
        CHECK(table_name(name) == TableName::kNone);
    }
    for (const std::string name : {"encoder.LayerNorm", "model.norm", "blocks.0.norm1", "h.0.ln_1", "ln_f",
                                   "visual.ln_post", "input_layernorm"}) {
        INFO(name);
        CHECK(is_norm_name(name));
    }
    for (const std::string name : {"norm.fc", "self_attn.q_norm", "self_attn.k_norm", "line", "aln", "conv"}) {
        INFO(name);
        CHECK_FALSE(is_norm_name(name));
    }
}
