#include "inputs/tensor_names.h"

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
