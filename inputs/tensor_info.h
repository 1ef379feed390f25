// A tensor of a checkpoint, in whichever file it lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/types.h"

namespace octile {

struct TensorInfo {
    std::string name;
    std::string_view dtype;        // as the format spells it, "F32" or "Q4_K"; never dangles
    std::optional<DataType> type;  // of elements that lie in `data` as Octile computes with them; empty: read_values()
    std::vector<std::int64_t> shape;
    // Row-major elements inside the mapped file, little-endian. Not aligned to more than a byte: copy elements out by
    // memcpy.
    std::span<const std::byte> data;
    // What a GGUF file stores otherwise than the name says; read_values() undoes both, and `type` is empty.
    std::int64_t paired_rows = 0;  // rows of each head of so many lie as 0, half, 1, half + 1, ...: llama's q and k
    float shift = 0;               // added to every value: gemma's norms
};

// "[384, 1536]"
std::string shape_text(const TensorInfo& tensor);

// By its shape.
std::int64_t elements_of(const TensorInfo& tensor);

}  // namespace octile
