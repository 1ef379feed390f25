// Rotary embeddings and attention windows as configurations say them.
#pragma once

#include <optional>
#include <string>

#include "families/family.h"
#include "families/network_builder.h"

namespace octile {

// Which blocks have the window, where layer_types does not say it for each.
enum class WindowPlaces {
    kUnknown,  // some
    kAll,
    kLast,  // those from max_window_layers on
};

// What attention of every block has in common.
struct AttentionFacts {
    std::optional<Rotary> rotary;
    std::string why;          // no session runs it; empty: one does
    std::int64_t window = 0;  // rows that a token of some blocks sees, its own among them; 0: all
    std::int64_t first_windowed = 0;

    // As a graph has it, of one block.
    std::optional<std::int64_t> window_of(const Config& config, std::int64_t block) const;
};

// The rotary embedding of a decoder, from rope_theta, rope_scaling (transformers 4) and rope_parameters (5, flat or for
// each layer type), and how many of the tokens before it a token sees, from sliding_window and layer_types. What a
// graph cannot say is refused by its key. `window` is the family's own default of sliding_window, 0: none; `windowed`
// that of use_sliding_window.
AttentionFacts attention_facts(NetworkBuilder& builder, double theta, std::int64_t window = 0, bool windowed = true,
                               WindowPlaces places = WindowPlaces::kUnknown);

// Keys that attention_facts() reads: of a family that sees everything, and of one that has windows.
Words rotary_keys();
Words window_keys();

}  // namespace octile
