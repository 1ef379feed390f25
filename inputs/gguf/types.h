// The types of a GGUF file's tensors: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and ggml's own headers
// for what the page leaves out.
//
// Some types are an element's: F32, I8. The others pack a block of 32 to 256 values of one row with what they share,
// scales and offsets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "octile/types.h"

namespace octile {

struct GgufType {
    std::uint32_t id = 0;           // in the file
    std::string_view name;          // "Q4_K"; never dangles
    std::int64_t block_values = 1;  // 1: an element
    std::int64_t block_bytes = 0;
    std::optional<DataType> type = std::nullopt;  // of an element that Octile computes with
    // Writes the values of one block; null: elements, and blocks that are not read.
    void (*decode)(const std::byte* block, float* values) = nullptr;

    bool is_block() const { return block_values > 1; }
};

// Null for a number, or a name, that is none.
const GgufType* gguf_type(std::uint32_t id);
const GgufType* gguf_type(std::string_view name);

// Whether ggml once had such a number: Q4_2, or Q4_0 with its rows interleaved for one CPU.
bool is_removed_gguf_type(std::uint32_t id);

// The largest number that is one.
std::uint32_t newest_gguf_type();

// The type of a block by a tensor's dtype; null: it is one of elements, or of another format.
const GgufType* block_type(std::string_view dtype);

}  // namespace octile
