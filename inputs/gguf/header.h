// The header of a GGUF file, version 2 or 3: what it says, checked against the size of the file, before anything is
// made of it.
//
//   "GGUF" | u32 version | u64 tensors | u64 keys | keys: name, kind, value | tensors: name, extents, type, offset |
//   padding | data
//
// A name is a u64 and so many bytes. Of an array only its place is kept: a vocabulary has a quarter of a million words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inputs/gguf/types.h"
#include "octile/status.h"

namespace octile {

// In the numbers of the file.
enum class GgufKind : std::uint8_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

std::string_view name_of(GgufKind kind);  // "u8" ... "string", "array" ...

// Points into the file.
struct GgufValue {
    GgufKind kind = GgufKind::kU8;  // of an array: of its elements
    bool is_array = false;
    std::uint64_t count = 1;                // elements of an array
    std::span<const std::byte> bytes = {};  // of a string its text; of an array its elements as they lie
};

struct GgufKey {
    std::string name;
    GgufValue value;
};

struct GgufTensor {
    std::string name;
    const GgufType* type = nullptr;
    std::vector<std::int64_t> shape = {};  // the slowest extent first, as in safetensors: the file has it the other way
    std::span<const std::byte> data = {};
};

struct GgufHeader {
    std::uint32_t version = 0;
    std::uint64_t alignment = 0;
    std::vector<GgufKey> keys;        // as written, each once
    std::vector<GgufTensor> tensors;  // in the order of their data, which does not overlap; each name once

    // Null: there is no such key.
    const GgufValue* find(std::string_view key) const;
};

// kParseError, beginning with `name`, then the key or tensor.
Result<GgufHeader> parse_gguf_header(std::span<const std::byte> file, const std::string& name);

// Whether a file that begins like this means to be one.
bool is_gguf_magic(std::span<const std::byte> start);

}  // namespace octile
