// What encoders of text have in common beside their blocks: tables, a pooler, heads.
#pragma once

#include <cstdint>
#include <string>

#include "families/encoder_block.h"
#include "families/encoder_heads.h"
#include "families/family.h"

namespace octile {

// Facts under these keys of the configuration; layer_norm_eps is 1e-12 where it is absent.
BlockFacts facts_of(NetworkBuilder& b, const BlockNames& names, const char* hidden, const char* ffn, const char* heads,
                    const char* activation, const char* activation_default);

// Rows of words, positions from `offset` on and, with `types`, of token types; a norm behind their sum.
std::string add_embeddings(NetworkBuilder& b, std::int64_t features, double epsilon, std::int64_t offset, bool types,
                           const char* norm = "embeddings.LayerNorm", bool positions = true);

std::string first_token(NetworkBuilder& b, const std::string& name, const std::string& x);

// A linear of the first token and tanh, where a checkpoint has it.
std::string add_pooler(NetworkBuilder& b, const std::string& x, std::int64_t hidden, const std::string& dense);

// Behind a norm: the table of words, or a matrix of its own.
std::string add_vocabulary(NetworkBuilder& b, const std::string& name, const std::string& x, const std::string& shift);

// Heads that are one linear of every token; false: the head is another one.
bool add_simple_head(NetworkBuilder& b, EncoderHead head, const std::string& x);

// A classifier of the first token, as RoBERTa's.
void add_dense_classifier(NetworkBuilder& b, const std::string& x, std::int64_t hidden,
                          const ActivationFact& activation);

// Keys of most of them.
const Words& encoder_sizes();

}  // namespace octile
