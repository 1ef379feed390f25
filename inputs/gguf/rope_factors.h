// The factors of single frequencies that converters write where a configuration asks for llama3's rotary embedding.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace octile {

struct Llama3Factors {
    double factor = 0, low = 1, high = 4;
    std::int64_t context = 8192;  // original_max_position_embeddings
};

// What the factors of the frequencies theta^(-2i / width) were made from; nothing: they are not llama3's. `context` 0:
// that of every published one.
std::optional<Llama3Factors> llama3_factors(std::span<const float> factors, double theta, std::uint64_t width,
                                            std::int64_t context);

}  // namespace octile
