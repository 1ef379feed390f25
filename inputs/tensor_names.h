// What the names of checkpoint tensors tell by themselves: what is a norm, what is a table and no linear.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "octile/types.h"

namespace octile {

// By name with numbers compared as numbers: layer.2 before layer.10.
std::strong_ordering natural_order(std::string_view a, std::string_view b);

// A table whose rows are looked up, by the last component of its name: wte, embed_tokens, word_embeddings; with kLikely
// a name that linears may have too (embed, tok_emb, codebook). embed_out, embed_proj and position_linear are none.
// Tables have no bias, so a 2-D weight with one is a linear whatever its name.
enum class TableName { kNone, kLikely, kKnown };
TableName table_name(std::string_view name);

// What belongs to an adapter (LoRA and its like) and is added to another tensor.
bool is_adapter_name(std::string_view name);

// A tensor below a component `experts` or `*_experts`.
bool is_experts_name(std::string_view name);

// LayerNorm, input_layernorm, ln_1, norm2, ...; not a norm of single heads (q_norm, k_norm), whose rows are not the
// tokens.
bool is_norm_name(std::string_view name);
bool is_head_norm_name(std::string_view name);

}  // namespace octile
