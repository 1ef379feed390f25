// Rotary embeddings and attention windows as configurations say them.
#pragma once

#include <optional>
#include <string>

#include "families/family.h"
#include "families/network_builder.h"

namespace octile {

// What attention of every block has in common.
struct AttentionFacts {
    std::optional<Rotary> rotary;
    std::string why;  // no session runs it; empty: one does
};

// The rotary embedding of a decoder, from rope_theta, rope_scaling (transformers 4) and rope_parameters (5, flat or for
// each layer type), and whether every token sees all before it, from sliding_window and layer_types. What a graph
// cannot say is refused by its key. `window` is the family's own default of sliding_window, 0: none; `windowed` that of
// use_sliding_window.
AttentionFacts attention_facts(NetworkBuilder& builder, double theta, std::int64_t window = 0, bool windowed = true);

// Keys that attention_facts() reads: of a family that sees everything, and of one that has windows.
Words rotary_keys();
Words window_keys();

}  // namespace octile
